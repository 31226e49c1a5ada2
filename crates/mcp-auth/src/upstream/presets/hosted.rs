//! Authorization servers that one rents or runs, and what is none of the others.

use super::{
    Audience::{AudienceParameter, Fixed, Resource, Scopes},
    Fact, MetadataForm,
    Offer::{If, No, Yes},
    Placeholder,
    PlaceholderKind::{self, Host, Segment, Url},
    Preset,
    PresetClientAuthentication::Basic,
    PresetPlace,
    PresetTier::{Hosted, Shim},
};

/// The day these were read.
const READ: &str = "2026-11-23";

const FASTMCP: &str = "https://github.com/jlowin/fastmcp";
const AGENTGATEWAY: &str = "https://github.com/agentgateway/agentgateway";
const ZUPLO: &str = "https://zuplo.com/learn/mcp/compatibility/identity-providers";

pub(super) static PRESETS: [Preset; 13] = [
    ENTRA, AUTH0, OKTA, KEYCLOAK, AUTHKIT, DESCOPE, STYTCH, SCALEKIT, COGNITO, CLERK, SUPABASE,
    OIDC, OAUTH2,
];

const fn placeholder(
    name: &'static str,
    kind: PlaceholderKind,
    meaning: &'static str,
) -> Placeholder {
    Placeholder {
        name,
        kind,
        meaning,
    }
}

/// What most of them share; each says what is different.
const OPENID_PROVIDER: Preset = Preset {
    name: "oidc",
    display_name: "Any OpenID provider",
    place: PresetPlace::Issuer("{issuer}"),
    placeholders: &[placeholder(
        "issuer",
        Url,
        "its issuer, byte for byte as its metadata says it",
    )],
    metadata: None,
    registration: None,
    client_documents: None,
    audience: None,
    scopes: &["openid", "profile", "email"],
    authorization_parameters: &[],
    client_authentication: Basic,
    subject: "sub",
    refresh_token: None,
    id_tokens: None,
    revocation: None,
    traps: &[],
    tier: Shim,
};

const ENTRA_CODE_FLOW: &str =
    "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow";

const ENTRA: Preset = Preset {
    name: "entra",
    display_name: "Microsoft Entra ID",
    place: PresetPlace::Issuer("https://login.microsoftonline.com/{tenant}/v2.0"),
    placeholders: &[placeholder("tenant", Segment, "the directory's id")],
    metadata: Some(Fact::new(MetadataForm::OpenId, ZUPLO, "2026-11-24")),
    registration: Some(Fact::new(
        No,
        "https://learn.microsoft.com/microsoft-365/copilot/extensibility/plugin-authentication-dynamic-client-registration",
        "2026-11-24",
    )),
    client_documents: Some(Fact::new(
        If(
            "public preview: the client becomes an agent identity, and an administrator may have to add it",
        ),
        "https://learn.microsoft.com/entra/agent-id",
        READ,
    )),
    audience: Some(Fact::new(
        Scopes(
            "the app's id, or the identifier URI whose scopes were asked for; `resource` must be the same",
        ),
        FASTMCP,
        READ,
    )),
    scopes: &["openid", "profile", "email", "offline_access"],
    refresh_token: Some(Fact::new(
        "the scope `offline_access`",
        ENTRA_CODE_FLOW,
        "2026-11-24",
    )),
    id_tokens: Some(Fact::new(
        true,
        "https://learn.microsoft.com/entra/identity-platform/userinfo",
        "2026-11-24",
    )),
    traps: &[
        Fact::new(
            "A `resource` that is not that of the scopes is AADSTS9010010: send none, or register the MCP URL as a second Application ID URI.",
            AGENTGATEWAY,
            READ,
        ),
        Fact::new(
            "A token with which userinfo answers is Microsoft Graph's: take it as opaque.",
            "https://learn.microsoft.com/entra/identity-platform/userinfo",
            "2026-11-24",
        ),
        Fact::new(
            "An audience is asked for by the scope `RESOURCE/.default`.",
            ZUPLO,
            "2026-11-24",
        ),
        Fact::new(
            "`common`, `organizations` and `consumers` are no tenants here: the issuer is that of one directory.",
            "https://zuplo.com/docs/mcp-gateway/auth/configuring-entra",
            "2026-11-24",
        ),
        Fact::new(
            "Version 1 tokens name `sts.windows.net` as issuer.",
            AGENTGATEWAY,
            READ,
        ),
        Fact::new(
            "Userinfo says less than the ID token: the name, the subject and the e-mail address.",
            "https://learn.microsoft.com/entra/identity-platform/userinfo",
            "2026-11-24",
        ),
    ],
    ..OPENID_PROVIDER
};

const AUTH0: Preset = Preset {
    name: "auth0",
    display_name: "Auth0",
    place: PresetPlace::Issuer("https://{domain}/"),
    placeholders: &[placeholder("domain", Host, "the tenant's host name")],
    metadata: Some(Fact::new(MetadataForm::Both, FASTMCP, READ)),
    registration: Some(Fact::new(
        If("off until the tenant turns it on"),
        ZUPLO,
        READ,
    )),
    client_documents: Some(Fact::new(
        If("clients that somebody adds by hand; unknown ones are not yet generally available"),
        "https://auth0.com",
        READ,
    )),
    audience: Some(Fact::new(
        AudienceParameter(
            "`resource` only with the Resource Parameter Compatibility Profile; of both, `audience` wins",
        ),
        ZUPLO,
        READ,
    )),
    traps: &[
        Fact::new(
            "Access tokens are opaque until an API's audience is asked for.",
            "https://docs.skybridge.tech",
            READ,
        ),
        Fact::new("The issuer ends with a slash.", FASTMCP, READ),
    ],
    tier: Hosted,
    ..OPENID_PROVIDER
};

const OKTA: Preset = Preset {
    name: "okta",
    display_name: "Okta",
    place: PresetPlace::Issuer("https://{domain}/oauth2/{server}"),
    placeholders: &[
        placeholder("domain", Host, "the organization's host name"),
        placeholder("server", Segment, "the id of a custom authorization server"),
    ],
    metadata: Some(Fact::new(
        MetadataForm::OpenId,
        "https://github.com/modelcontextprotocol/typescript-sdk/issues/797",
        READ,
    )),
    registration: Some(Fact::new(
        No,
        "https://github.com/modelcontextprotocol/modelcontextprotocol/issues/695",
        "2026-11-24",
    )),
    client_documents: Some(Fact::new(
        If("URLs that were registered beforehand"),
        "https://apollographql.com",
        READ,
    )),
    audience: Some(Fact::new(
        AudienceParameter("no RFC 8707"),
        AGENTGATEWAY,
        READ,
    )),
    traps: &[Fact::new(
        "Its registration endpoint wants an API key, and has no CORS.",
        AGENTGATEWAY,
        READ,
    )],
    ..OPENID_PROVIDER
};

const KEYCLOAK: Preset = Preset {
    name: "keycloak",
    display_name: "Keycloak",
    place: PresetPlace::Issuer("https://{host}/realms/{realm}"),
    placeholders: &[
        placeholder("host", Host, "its host name, perhaps with a port"),
        placeholder("realm", Segment, "the realm's name"),
    ],
    metadata: Some(Fact::new(MetadataForm::OpenId, AGENTGATEWAY, READ)),
    registration: Some(Fact::new(
        If("version 26.6.0 or later, which mended it"),
        FASTMCP,
        READ,
    )),
    client_documents: Some(Fact::new(
        If("the feature `cimd` and a client policy for it"),
        "https://glama.ai/mcp/servers/atulram/keycloak-realm-inspector",
        "2026-11-24",
    )),
    audience: Some(Fact::new(
        Resource("the experimental feature `resource-indicators` of 26.8"),
        "https://www.keycloak.org",
        READ,
    )),
    traps: &[
        Fact::new(
            "As installed, access tokens have no `aud` at all: add an audience mapper.",
            "https://phasetwo.io",
            READ,
        ),
        Fact::new(
            "Registration has no CORS.",
            "https://github.com/keycloak/keycloak/issues/39629",
            READ,
        ),
    ],
    tier: Hosted,
    ..OPENID_PROVIDER
};

const AUTHKIT: Preset = Preset {
    name: "authkit",
    display_name: "WorkOS AuthKit",
    place: PresetPlace::Issuer("https://{domain}"),
    placeholders: &[placeholder("domain", Host, "the AuthKit domain")],
    metadata: Some(Fact::new(MetadataForm::OAuth, FASTMCP, READ)),
    registration: Some(Fact::new(If("a switch in the dashboard"), FASTMCP, READ)),
    client_documents: Some(Fact::new(
        Yes,
        "https://workos.com/changelog/client-id-metadata-support-for-mcp-auth",
        READ,
    )),
    audience: Some(Fact::new(
        Resource("once Resource Indicators are on and the MCP URL is listed there"),
        FASTMCP,
        READ,
    )),
    traps: &[Fact::new(
        "Tokens of the older Connect are opaque.",
        FASTMCP,
        READ,
    )],
    tier: Hosted,
    ..OPENID_PROVIDER
};

const DESCOPE: Preset = Preset {
    name: "descope",
    display_name: "Descope",
    place: PresetPlace::Issuer("https://{host}/v1/apps/agentic/{project}/{server}"),
    placeholders: &[
        placeholder("host", Host, "the host name of the issuer in its console"),
        placeholder("project", Segment, "the project's id"),
        placeholder("server", Segment, "the MCP server's id"),
    ],
    metadata: Some(Fact::new(MetadataForm::OpenId, AGENTGATEWAY, READ)),
    registration: Some(Fact::new(Yes, "https://docs.descope.com", READ)),
    client_documents: Some(Fact::new(Yes, "https://docs.descope.com", READ)),
    audience: Some(Fact::new(Resource(""), AGENTGATEWAY, READ)),
    traps: &[
        Fact::new(
            "The keys lie at the project, not at the server.",
            AGENTGATEWAY,
            READ,
        ),
        Fact::new(
            "Apps of the older kind put the project's id into `aud`.",
            FASTMCP,
            READ,
        ),
        Fact::new(
            "Registration may take a management key, and has no CORS.",
            AGENTGATEWAY,
            READ,
        ),
    ],
    tier: Hosted,
    ..OPENID_PROVIDER
};

const STYTCH_FACETS: &str = "https://github.com/api-evangelist";

const STYTCH: Preset = Preset {
    name: "stytch",
    display_name: "Stytch",
    place: PresetPlace::Issuer("https://{domain}"),
    placeholders: &[placeholder(
        "domain",
        Host,
        "the project's domain, or a custom one",
    )],
    metadata: Some(Fact::new(MetadataForm::Both, STYTCH_FACETS, READ)),
    client_documents: Some(Fact::new(Yes, STYTCH_FACETS, READ)),
    tier: Hosted,
    ..OPENID_PROVIDER
};

const SCALEKIT: Preset = Preset {
    name: "scalekit",
    display_name: "Scalekit",
    place: PresetPlace::Issuer("https://{domain}"),
    placeholders: &[placeholder("domain", Host, "the environment's host name")],
    audience: Some(Fact::new(
        Fixed("the resource's id there, not its URL"),
        FASTMCP,
        READ,
    )),
    traps: &[Fact::new(
        "Two issuers are seen: the environment, and `/resources/{id}` below it.",
        FASTMCP,
        READ,
    )],
    ..OPENID_PROVIDER
};

const COGNITO: Preset = Preset {
    name: "cognito",
    display_name: "Amazon Cognito",
    place: PresetPlace::Issuer("https://cognito-idp.{region}.amazonaws.com/{pool}"),
    placeholders: &[
        placeholder("region", Segment, "the region, such as `eu-west-1`"),
        placeholder("pool", Segment, "the user pool's id"),
    ],
    metadata: Some(Fact::new(
        MetadataForm::OpenId,
        "https://zuplo.com/learn/mcp/errors/dynamic-client-registration-not-supported",
        "2026-11-24",
    )),
    registration: Some(Fact::new(
        No,
        "https://github.com/anthropics/claude-code/issues/67258",
        READ,
    )),
    audience: Some(Fact::new(
        super::Audience::Absent,
        "https://repost.aws",
        READ,
    )),
    traps: &[Fact::new(
        "Access tokens have no `aud`: whoever verifies one must look at `client_id` and `token_use`.",
        FASTMCP,
        READ,
    )],
    ..OPENID_PROVIDER
};

const CLERK: Preset = Preset {
    name: "clerk",
    display_name: "Clerk",
    place: PresetPlace::Issuer("https://{domain}"),
    placeholders: &[placeholder("domain", Host, "the instance's domain")],
    client_documents: Some(Fact::new(If("beta, on request"), "https://clerk.com", READ)),
    audience: Some(Fact::new(
        Fixed("the client's id, as introspection says"),
        FASTMCP,
        READ,
    )),
    traps: &[Fact::new(
        "Access tokens are opaque; `/oauth/token_info` introspects them.",
        FASTMCP,
        READ,
    )],
    ..OPENID_PROVIDER
};

const SUPABASE: Preset = Preset {
    name: "supabase",
    display_name: "Supabase Auth",
    place: PresetPlace::Issuer("https://{domain}/auth/v1"),
    placeholders: &[placeholder("domain", Host, "the project's host name")],
    metadata: Some(Fact::new(MetadataForm::OAuth, FASTMCP, READ)),
    registration: Some(Fact::new(Yes, FASTMCP, READ)),
    audience: Some(Fact::new(Fixed("always `authenticated`"), FASTMCP, READ)),
    traps: &[Fact::new(
        "A token does not say which server it is for: any server of the project could use it.",
        FASTMCP,
        READ,
    )],
    ..OPENID_PROVIDER
};

const OIDC: Preset = OPENID_PROVIDER;

const OAUTH2: Preset = Preset {
    name: "oauth2",
    display_name: "Any OAuth 2.0 provider",
    place: PresetPlace::Endpoints {
        authorization: "{authorization}",
        token: "{token}",
        userinfo: "{userinfo}",
        revocation: None,
    },
    placeholders: &[
        placeholder("authorization", Url, "its authorization endpoint"),
        placeholder("token", Url, "its token endpoint"),
        placeholder(
            "userinfo",
            Url,
            "where it says who a token speaks for: a JSON object with `sub` or `id`",
        ),
    ],
    scopes: &[],
    ..OPENID_PROVIDER
};
