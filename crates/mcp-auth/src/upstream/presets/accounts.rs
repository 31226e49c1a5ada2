//! Providers where people have their accounts and our server is one registered client.

use super::{
    Audience::{Absent, AudienceParameter, Fixed},
    Fact, MetadataForm,
    Offer::No,
    Placeholder, PlaceholderKind, Preset,
    PresetClientAuthentication::{Basic, Post},
    PresetPlace,
    PresetTier::Shim,
};

/// The day most of these were read, and the day before, on which others were.
const TODAY: &str = "2026-11-24";
const BEFORE: &str = "2026-11-23";

const FASTMCP: &str = "https://github.com/jlowin/fastmcp";

pub(super) static PRESETS: [Preset; 8] = [
    GITHUB, GOOGLE, DISCORD, GITLAB, SLACK, ATLASSIAN, NOTION, LINEAR,
];

const GITHUB_OAUTH: &str =
    "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps";

const GITHUB: Preset = Preset {
    name: "github",
    display_name: "GitHub",
    place: PresetPlace::Endpoints {
        authorization: "https://github.com/login/oauth/authorize",
        token: "https://github.com/login/oauth/access_token",
        userinfo: "https://api.github.com/user",
        revocation: None,
    },
    placeholders: &[],
    metadata: Some(Fact::new(
        MetadataForm::Both,
        "https://docs.github.com",
        BEFORE,
    )),
    registration: Some(Fact::new(No, FASTMCP, BEFORE)),
    client_documents: None,
    audience: Some(Fact::new(Absent, FASTMCP, BEFORE)),
    scopes: &[],
    authorization_parameters: &[],
    client_authentication: Post,
    subject: "id",
    refresh_token: Some(Fact::new(
        "an OAuth app gets none; a GitHub App has short-lived tokens instead",
        GITHUB_OAUTH,
        TODAY,
    )),
    id_tokens: None,
    revocation: None,
    traps: &[
        Fact::new(
            "The metadata documents are a preview for MCP clients; this preset names the endpoints itself.",
            "https://docs.github.com",
            BEFORE,
        ),
        Fact::new(
            "Token answers are a form unless JSON is asked for, and scopes in them have commas between them.",
            GITHUB_OAUTH,
            TODAY,
        ),
        Fact::new(
            "A login without scopes gives a token with every scope that the user granted the app before.",
            GITHUB_OAUTH,
            TODAY,
        ),
        Fact::new(
            "`iss` in the callback (RFC 9207) was turned on and taken back in April 2026.",
            "https://github.com/langfuse/langfuse/issues/13091",
            BEFORE,
        ),
    ],
    tier: Shim,
};

const GOOGLE: Preset = Preset {
    name: "google",
    display_name: "Google",
    place: PresetPlace::Issuer("https://accounts.google.com"),
    placeholders: &[],
    metadata: Some(Fact::new(
        MetadataForm::OpenId,
        "https://developers.google.com/identity/openid-connect/reference",
        TODAY,
    )),
    registration: Some(Fact::new(No, FASTMCP, BEFORE)),
    client_documents: None,
    audience: Some(Fact::new(
        Fixed("our client id, as its `tokeninfo` says; the token itself is opaque"),
        FASTMCP,
        BEFORE,
    )),
    scopes: &["openid", "email", "profile"],
    authorization_parameters: &[("access_type", "offline"), ("prompt", "consent")],
    client_authentication: Basic,
    subject: "sub",
    refresh_token: Some(Fact::new(
        "`access_type=offline` and `prompt=consent`; it knows no `offline_access`",
        "https://github.com/geelen/mcp-remote",
        BEFORE,
    )),
    id_tokens: Some(Fact::new(
        true,
        "https://developers.google.com/identity/openid-connect/reference",
        TODAY,
    )),
    revocation: Some(Fact::new(
        "the `revocation_endpoint` of its metadata",
        "https://developers.google.com/identity/openid-connect/reference",
        TODAY,
    )),
    traps: &[Fact::new(
        "Old documents and ID tokens may name the issuer `accounts.google.com`, without `https://`.",
        "https://developers.google.com/identity/openid-connect/reference",
        TODAY,
    )],
    tier: Shim,
};

const DISCORD_OAUTH: &str = "https://discord.com/developers/docs/topics/oauth2";

const DISCORD: Preset = Preset {
    name: "discord",
    display_name: "Discord",
    place: PresetPlace::Endpoints {
        authorization: "https://discord.com/oauth2/authorize",
        token: "https://discord.com/api/oauth2/token",
        userinfo: "https://discord.com/api/users/@me",
        revocation: Some("https://discord.com/api/oauth2/token/revoke"),
    },
    placeholders: &[],
    metadata: None,
    registration: None,
    client_documents: None,
    audience: None,
    scopes: &["identify"],
    authorization_parameters: &[],
    client_authentication: Basic,
    subject: "id",
    refresh_token: Some(Fact::new("every login", DISCORD_OAUTH, TODAY)),
    id_tokens: None,
    revocation: Some(Fact::new(
        "RFC 7009; whichever token is given back, all tokens of that authorization end",
        DISCORD_OAUTH,
        TODAY,
    )),
    traps: &[
        Fact::new(
            "`identify` gives the user without an e-mail address; `email` adds it.",
            DISCORD_OAUTH,
            TODAY,
        ),
        Fact::new(
            "Its token endpoints take forms only, never JSON.",
            DISCORD_OAUTH,
            TODAY,
        ),
        Fact::new(
            "A verifier that took any Discord token, not only those for its own client, let strangers in.",
            "https://github.com/jlowin/fastmcp/issues/3405",
            BEFORE,
        ),
    ],
    tier: Shim,
};

const GITLAB_METADATA: &str = "https://gitlab.com/.well-known/openid-configuration";

const GITLAB: Preset = Preset {
    name: "gitlab",
    display_name: "GitLab",
    place: PresetPlace::Issuer("https://{host}"),
    placeholders: &[Placeholder {
        name: "host",
        kind: PlaceholderKind::Host,
        meaning: "its host name: `gitlab.com`, or that of an instance of your own",
    }],
    metadata: Some(Fact::new(
        MetadataForm::Both,
        "https://raw.githubusercontent.com/api-evangelist/gitlab/refs/heads/main/well-known/gitlab-well-known.yml",
        TODAY,
    )),
    registration: None,
    client_documents: None,
    audience: None,
    scopes: &["openid", "profile", "email"],
    authorization_parameters: &[],
    client_authentication: Basic,
    subject: "sub",
    refresh_token: None,
    id_tokens: Some(Fact::new(true, GITLAB_METADATA, TODAY)),
    revocation: Some(Fact::new(
        "the `revocation_endpoint` of its metadata",
        GITLAB_METADATA,
        TODAY,
    )),
    traps: &[Fact::new(
        "The scope `openid` must be ticked in the application's settings there.",
        "https://docs.gitlab.com/integration/openid_connect_provider",
        TODAY,
    )],
    tier: Shim,
};

const SLACK_METADATA: &str = "https://api.slack.com/.well-known/openid-configuration";

const SLACK: Preset = Preset {
    name: "slack",
    display_name: "Slack",
    place: PresetPlace::Issuer("https://slack.com"),
    placeholders: &[],
    metadata: Some(Fact::new(MetadataForm::OpenId, SLACK_METADATA, TODAY)),
    registration: Some(Fact::new(No, SLACK_METADATA, TODAY)),
    client_documents: Some(Fact::new(No, SLACK_METADATA, TODAY)),
    audience: None,
    scopes: &["openid", "profile", "email"],
    authorization_parameters: &[],
    client_authentication: Basic,
    subject: "sub",
    refresh_token: None,
    id_tokens: Some(Fact::new(
        true,
        "https://api.slack.com/docs/sign-in-with-slack",
        TODAY,
    )),
    revocation: None,
    traps: &[
        Fact::new(
            "Signing in and calling its API are two flows: this one is `openid/connect/authorize`, not `oauth/v2/authorize`.",
            "https://api.slack.com/docs/sign-in-with-slack",
            TODAY,
        ),
        Fact::new(
            "Token answers carry `ok` and `error` of Slack's own beside OAuth's members.",
            "https://docs.slack.dev/tools/node-slack-sdk/reference/web-api/type-aliases/OpenIDConnectTokenResponse",
            TODAY,
        ),
    ],
    tier: Shim,
};

const ATLASSIAN: Preset = Preset {
    name: "atlassian",
    display_name: "Atlassian",
    place: PresetPlace::Endpoints {
        authorization: "https://auth.atlassian.com/authorize",
        token: "https://auth.atlassian.com/oauth/token",
        userinfo: "https://api.atlassian.com/me",
        revocation: None,
    },
    placeholders: &[],
    metadata: None,
    registration: None,
    client_documents: None,
    audience: Some(Fact::new(
        AudienceParameter("always `api.atlassian.com`"),
        "https://backstage.io/docs/auth/atlassian/provider",
        TODAY,
    )),
    scopes: &["read:me", "offline_access"],
    authorization_parameters: &[("audience", "api.atlassian.com"), ("prompt", "consent")],
    client_authentication: Post,
    subject: "account_id",
    refresh_token: Some(Fact::new(
        "the scope `offline_access`; refresh tokens rotate",
        "https://v2.lucia-auth.com/oauth/providers/atlassian/",
        TODAY,
    )),
    id_tokens: None,
    revocation: None,
    traps: &[
        Fact::new(
            "Its documents show the token request in JSON. We send the form of RFC 6749; whether it is taken was not tried.",
            "https://hexdocs.pm/ueberauth_atlassian/0.3.0/Ueberauth.Strategy.Atlassian.OAuth.html",
            TODAY,
        ),
        Fact::new(
            "`read:me` works only where the app has the User Identity API.",
            "https://next-auth.js.org/providers/atlassian",
            TODAY,
        ),
        Fact::new(
            "Its tokens are of no use at a site's own host: APIs are called through `api.atlassian.com`.",
            "https://mrrefactoring.github.io/confluence.js/guide/oauth2",
            TODAY,
        ),
    ],
    tier: Shim,
};

const NOTION_TOKEN: &str = "https://developers.notion.com/reference/create-a-token";

const NOTION: Preset = Preset {
    name: "notion",
    display_name: "Notion",
    place: PresetPlace::Apart(
        "it has no userinfo endpoint and says who the user is in its token answer, at `owner.user.id`: implement `Upstream`",
    ),
    placeholders: &[],
    metadata: None,
    registration: None,
    client_documents: None,
    audience: None,
    scopes: &[],
    authorization_parameters: &[],
    client_authentication: Basic,
    subject: "owner.user.id",
    refresh_token: Some(Fact::new(
        "every token answer has one, a new one each time",
        NOTION_TOKEN,
        TODAY,
    )),
    id_tokens: None,
    revocation: None,
    traps: &[
        Fact::new(
            "The owner may be a workspace and no user.",
            NOTION_TOKEN,
            TODAY,
        ),
        Fact::new(
            "Its API wants a `Notion-Version` header.",
            "https://developers.notion.com/reference/authentication",
            TODAY,
        ),
    ],
    tier: Shim,
};

const LINEAR_OAUTH: &str = "https://linear.app/developers/oauth-2-0-authentication";

const LINEAR: Preset = Preset {
    name: "linear",
    display_name: "Linear",
    place: PresetPlace::Apart(
        "it has no userinfo endpoint and says who the user is by GraphQL only: implement `Upstream`",
    ),
    placeholders: &[],
    metadata: None,
    registration: None,
    client_documents: None,
    audience: None,
    scopes: &["read"],
    authorization_parameters: &[],
    client_authentication: Post,
    subject: "viewer.id",
    refresh_token: Some(Fact::new(
        "every user's login, for apps made since 1 October 2025 and, since 1 April 2026, for older ones",
        LINEAR_OAUTH,
        TODAY,
    )),
    id_tokens: None,
    revocation: None,
    traps: &[Fact::new(
        "Scopes have commas between them, also in the request.",
        LINEAR_OAUTH,
        TODAY,
    )],
    tier: Shim,
};
