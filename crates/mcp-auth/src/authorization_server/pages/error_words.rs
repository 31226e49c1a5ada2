//! The words of the error pages: one row a refusal.
//!
//! They are also the `error_description` for programs, so `what` keeps to the characters of
//! RFC 6749 §4.1.2.1.

use super::ErrorPageKind;

pub(super) struct Words {
    pub(super) reason: &'static str,
    pub(super) title: &'static str,
    pub(super) what: &'static str,
    pub(super) next: &'static [&'static str],
    pub(super) hosts: &'static [(&'static str, &'static str)],
}

pub(super) const fn words(kind: ErrorPageKind) -> Words {
    use ErrorPageKind as K;
    match kind {
        K::UnknownClient => Words {
            reason: "unknown_client",
            title: "This server does not know your app",
            what: "Your app used a registration that this server does not have, or no longer accepts.",
            next: &[
                "Make your app forget what it saved about this server.",
                "Connect again; it will then register anew by itself.",
            ],
            hosts: FORGET,
        },
        K::ClientOfOtherKey => Words {
            reason: "client_of_other_key",
            title: "Your app has to register again",
            what: "The keys of this server have changed since your app registered, so it no longer recognizes the app.",
            next: &[
                "Make your app forget what it saved about this server.",
                "Connect again; it will then register anew by itself.",
                "If this happens after every restart of the server, tell its operator: the server needs a key that stays the same.",
            ],
            hosts: FORGET,
        },
        K::ClientDocument => Words {
            reason: "client_document",
            title: "The description of your app cannot be used",
            what: "Your app names a document that describes it. This server could not get that document, or does not accept what it says.",
            next: &[
                "If you did not start this login yourself, close this page.",
                "Update your app and connect again.",
                "If it happens again, tell the operator of this server: its log says what is wrong with the document.",
            ],
            hosts: &[],
        },
        K::ClientDocumentUnavailable => Words {
            reason: "client_document_unavailable",
            title: "The description of your app cannot be reached",
            what: "Your app names a document that describes it, and the site it lies on does not answer this server.",
            next: &[
                "Wait a minute and reload this page.",
                "If that does not help, tell the makers of your app or the operator of this server.",
            ],
            hosts: &[],
        },
        K::RedirectNotRegistered => Words {
            reason: "redirect_not_registered",
            title: "The way back to your app is not registered",
            what: "Your app asked to be sent an answer at an address that it did not register, so nothing was sent.",
            next: &[
                "If you did not start this login yourself, close this page.",
                "If you did, make your app forget what it saved about this server, and connect again.",
            ],
            hosts: FORGET,
        },
        K::MalformedRequest => Words {
            reason: "malformed_request",
            title: "This request cannot be read",
            what: "Something is missing from the request, is there twice, or is not written as it should be.",
            next: &[
                "Go back to your app and connect again; do not use a copied or edited address.",
                "If it happens again, update your app, or tell its makers.",
            ],
            hosts: &[],
        },
        K::ConsentExpired => Words {
            reason: "consent_expired",
            title: "You took longer than ten minutes",
            what: "The question was open for too long, or the server has changed since, so your answer was not used.",
            next: &["Go back to your app and connect again."],
            hosts: &[],
        },
        K::ConsentFromElsewhere => Words {
            reason: "consent_from_elsewhere",
            title: "Your answer came from another browser",
            what: "The question was asked in one browser and answered in another, or this browser did not send its cookie back.",
            next: &[
                "Allow cookies for this site; a private window or an extension may block them.",
                "Go back to your app, connect again, and stay in the browser window that opens.",
            ],
            hosts: &[],
        },
        K::LoginExpired => Words {
            reason: "login_expired",
            title: "This login is over",
            what: "It took too long, was finished before, or was begun in another browser.",
            next: &[
                "If you came here with the Back button, close this page: your app may be connected already.",
                "Otherwise go back to your app, connect again, and stay in the browser window that opens.",
            ],
            hosts: &[],
        },
        K::ActionFromElsewhere => Words {
            reason: "action_from_elsewhere",
            title: "Nothing was changed",
            what: "What was sent did not come from a page of this server in this browser, or this browser did not send its cookie back.",
            next: &[
                "Allow cookies for this site; a private window or an extension may block them.",
                "Open the page of your connected apps again.",
            ],
            hosts: &[],
        },
        K::NotSignedIn => Words {
            reason: "not_signed_in",
            title: "You are not signed in",
            what: "The service where you sign in did not say who you are.",
            next: &[
                "Open the page of your connected apps and sign in again.",
                "If it happens again, tell the operator of this server.",
            ],
            hosts: &[],
        },
        K::NotAdmitted => Words {
            reason: "not_admitted",
            title: "Your account may not use this server",
            what: "You signed in, but the operator of this server does not let the account in that you signed in with.",
            next: &[
                "If you have another account, sign out where you just signed in, then start again and sign in with that one.",
                "Otherwise ask the operator of this server for access.",
            ],
            hosts: &[],
        },
        K::PushedRequestOver => Words {
            reason: "pushed_request_over",
            title: "This request is over",
            what: "What your app asked for was used before, is older than a minute, or belongs to another app.",
            next: &[
                "If you came here with the Back button, close this page: your app may be connected already.",
                "Otherwise go back to your app and connect again; do not use a copied address.",
            ],
            hosts: &[],
        },
        K::UpstreamUnavailable => Words {
            reason: "upstream_unavailable",
            title: "The sign-in service does not answer",
            what: "This server cannot reach the service where you sign in. Nothing is wrong with your account.",
            next: &[
                "Wait a minute and reload this page.",
                "If that does not help, go back to your app and connect again.",
            ],
            hosts: &[],
        },
        K::StoreUnavailable => Words {
            reason: "store_unavailable",
            title: "This server has a problem",
            what: "A part that this server needs is away for the moment. Nothing is wrong with your account or your app.",
            next: &[
                "Wait a minute and reload this page.",
                "If that does not help, go back to your app and connect again, or tell the operator of this server.",
            ],
            hosts: &[],
        },
        K::TooManyRequests => Words {
            reason: "too_many_requests",
            title: "Too many attempts",
            what: "Too many requests came from your network in a short time.",
            next: &["Wait a minute, then go back to your app and connect again."],
            hosts: &[],
        },
        K::WrongHost => Words {
            reason: "wrong_host",
            title: "This is not the address of this server",
            what: "The server was reached under a name that is not its own.",
            next: &[
                "If you did not type this address yourself, close this page.",
                "Enter the address that the operator of this server gave you in your app, and connect again.",
            ],
            hosts: &[],
        },
    }
}

/// How each host is made to forget its registration.
const FORGET: &[(&str, &str)] = &[
    (
        "Claude Code",
        "Run /mcp, select this server, choose Clear authentication, then Authenticate.",
    ),
    (
        "Claude",
        "Open Settings, Connectors; remove this server and add it again.",
    ),
    (
        "ChatGPT",
        "Open Settings, Apps & Connectors; remove this server and add it again.",
    ),
    (
        "VS Code",
        "Run the command Authentication: Remove Dynamic Authentication Providers, then restart the server.",
    ),
    (
        "Cursor",
        "Open the MCP settings, log out of this server or remove it, and connect again.",
    ),
    (
        "MCP Inspector",
        "Open the Auth settings, press Clear OAuth State, and connect again.",
    ),
    ("Another app", "Remove this server and add it again."),
];
