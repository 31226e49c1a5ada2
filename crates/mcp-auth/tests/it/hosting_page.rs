//! The page `docs/hosting.md`, which is made of the presets.

use std::fmt::{self, Write as _};

use mcp_auth::upstream::{Audience, Fact, MetadataForm, Offer, Preset, PresetPlace, PresetTier};

#[test]
fn the_page_says_what_the_presets_say() {
    let kept = std::fs::read_to_string(PATH).unwrap();
    let is_current = kept == page().unwrap();
    assert!(
        is_current,
        "docs/hosting.md is stale: run scripts/update-hosting"
    );
}

#[test]
#[ignore = "writes docs/hosting.md; scripts/update-hosting runs it"]
fn writes_the_page() {
    std::fs::write(PATH, page().unwrap()).unwrap();
}

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hosting.md");

fn page() -> Result<String, fmt::Error> {
    let mut page = String::from(BEGINNING);
    table(&mut page)?;
    for preset in Preset::all() {
        section(&mut page, preset)?;
    }
    Ok(page)
}

/// All of them in one table.
fn table(page: &mut String) -> fmt::Result {
    page.push_str("\n## All of them\n\nA dash is what no source says.\n\n");
    page.push_str("| provider | preset | registers hosts (DCR) | client documents (CIMD) | audience from | refresh token | tier |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    for preset in Preset::all() {
        writeln!(
            page,
            "| [{}](#{}) | `{}` | {} | {} | {} | {} | {} |",
            preset.display_name,
            anchor(preset.display_name),
            preset.name,
            short(preset.registration, offer_short),
            short(preset.client_documents, offer_short),
            short(preset.audience, audience_short),
            if preset.refresh_token.is_some() {
                "[see there](#".to_owned() + &anchor(preset.display_name) + ")"
            } else {
                DASH.to_owned()
            },
            tier(preset),
        )?;
    }
    Ok(())
}

fn section(page: &mut String, preset: &Preset) -> fmt::Result {
    writeln!(page, "\n## {}\n", preset.display_name)?;
    let names: Vec<_> = preset
        .placeholders
        .iter()
        .map(|p| format!("{}=…", p.name))
        .collect();
    match (preset.place, names.as_slice()) {
        (PresetPlace::Apart(why), _) => writeln!(page, "No `UPSTREAM_PRESET`: {why}.")?,
        (_, []) => writeln!(page, "`UPSTREAM_PRESET={}`", preset.name)?,
        (_, names) => writeln!(
            page,
            "`UPSTREAM_PRESET={}:{}`",
            preset.name,
            names.join(",")
        )?,
    }
    page.push('\n');
    for placeholder in preset.placeholders {
        writeln!(page, "- `{}`: {}.", placeholder.name, placeholder.meaning)?;
    }
    match preset.place {
        PresetPlace::Issuer(issuer) => writeln!(page, "- Issuer: `{issuer}`.")?,
        PresetPlace::Endpoints {
            authorization,
            token,
            userinfo,
            ..
        } => {
            writeln!(
                page,
                "- Endpoints: `{authorization}`, `{token}`, `{userinfo}`."
            )?;
        }
        _ => {}
    }
    if !preset.scopes.is_empty() {
        writeln!(
            page,
            "- Scopes of a sign-in: `{}`.",
            preset.scopes.join(" ")
        )?;
    }
    for (name, value) in preset.authorization_parameters {
        writeln!(page, "- Sent along: `{name}={value}`.")?;
    }
    writeln!(page, "- The user is `{}`.", preset.subject)?;
    fact(page, "Metadata", preset.metadata, |form| match form {
        MetadataForm::OAuth => "RFC 8414".to_owned(),
        MetadataForm::OpenId => "OpenID Connect Discovery".to_owned(),
        MetadataForm::Both => "RFC 8414 and OpenID Connect Discovery".to_owned(),
        _ => String::new(),
    })?;
    fact(page, "Registers hosts", preset.registration, offer)?;
    fact(page, "Client documents", preset.client_documents, offer)?;
    fact(page, "Audience", preset.audience, audience)?;
    fact(page, "Refresh token", preset.refresh_token, str::to_owned)?;
    fact(page, "ID tokens", preset.id_tokens, |yes| {
        if yes { "yes" } else { "no" }.to_owned()
    })?;
    fact(page, "Giving tokens back", preset.revocation, str::to_owned)?;
    for trap in preset.traps {
        writeln!(page, "- **Trap.** {} {}", trap.value, source(trap))?;
    }
    Ok(())
}

fn fact<T: Copy>(
    page: &mut String,
    what: &str,
    fact: Option<Fact<T>>,
    says: fn(T) -> String,
) -> fmt::Result {
    match fact {
        Some(fact) => writeln!(page, "- {what}: {}. {}", says(fact.value), source(&fact)),
        None => Ok(()),
    }
}

fn source<T>(fact: &Fact<T>) -> String {
    let host = fact
        .source
        .trim_start_matches("https://")
        .split('/')
        .next()
        .unwrap_or_default();
    format!("[{host}, {}]({})", fact.read, fact.source)
}

fn short<T: Copy>(fact: Option<Fact<T>>, says: fn(T) -> &'static str) -> &'static str {
    fact.map_or(DASH, |fact| says(fact.value))
}

fn offer_short(offer: Offer) -> &'static str {
    match offer {
        Offer::Yes => "yes",
        Offer::No => "no",
        _ => "if",
    }
}

fn offer(offer: Offer) -> String {
    match offer {
        Offer::If(condition) => format!("if: {condition}"),
        other => offer_short(other).to_owned(),
    }
}

fn audience_short(audience: Audience) -> &'static str {
    match audience {
        Audience::Resource(_) => "`resource`",
        Audience::AudienceParameter(_) => "`audience`",
        Audience::Scopes(_) => "the scopes",
        Audience::Fixed(_) => "fixed",
        _ => "none",
    }
}

fn audience(audience: Audience) -> String {
    let name = audience_short(audience);
    match audience {
        Audience::Resource(text)
        | Audience::AudienceParameter(text)
        | Audience::Scopes(text)
        | Audience::Fixed(text)
            if !text.is_empty() =>
        {
            format!("{name}: {text}")
        }
        _ => name.to_owned(),
    }
}

fn tier(preset: &Preset) -> &'static str {
    match preset.tier {
        PresetTier::Hosted => "hosted, or [`DcrShim`](tiers/dcr-shim.md)",
        _ => "[`DcrShim`](tiers/dcr-shim.md), [`Cimd`](tiers/cimd.md)",
    }
}

/// As GitHub makes it from a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == ' ');
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

const DASH: &str = "–";

const BEGINNING: &str = r#"<!-- Written by scripts/update-hosting from crates/mcp-auth/src/upstream/presets: change it there. -->
# Providers

## A provider that runs the authorization server for you

Some providers register MCP hosts themselves (DCR or client documents) and mint tokens whose audience is your MCP URL. Then your server is a resource server only: it names the provider's issuer in its metadata, verifies the provider's tokens, and keeps nothing. That is all there is to it; the audience is your MCP URL:

```rust,no_run
use mcp_auth::{DcrProxy, Tier, oauth::{Issuer, PublicUrl}};

# async fn run() -> Result<(), Box<dyn std::error::Error>> {
let public_url = PublicUrl::parse("https://mcp.example.com")?;
let issuer = Issuer::parse("https://your-tenant.example.net")?;
let tier = DcrProxy::builder(public_url, issuer).discover().await?;
let layer = tier.layer(); // in front of the MCP service
let endpoints = tier.endpoints(); // the metadata documents
# let _ = (layer, endpoints); Ok(()) }
```

The whole server is `examples/hosted_as.rs` (`UPSTREAM_ISSUER=… cargo run --example hosted_as`); [DcrProxy](tiers/dcr-proxy.md) is the tier's page. `discover()` stops the start when the provider lacks what hosts need.

Before you choose it, look at the provider's column *audience from* below. A server that accepts tokens without its own audience accepts tokens that were meant for another. Where the column says `resource` or `audience`, ask for a token with your MCP URL and look at what is in `aud`. Where it says anything else, or the provider registers no hosts, use [`DcrShim`](tiers/dcr-shim.md): it speaks to every provider on this page as one client and gives hosts tokens of its own.

## A provider behind your own authorization server

`DcrShim` and `Cimd` take the provider as upstream: by name, with `UPSTREAM_PRESET` ([environment](environment.md)) or `OAuthUpstream::with_preset`. Register one client there, with the redirect URI `MCP_AUTH_PUBLIC_URL` + `/callback`.

Each fact below has its source and the day it was read; where only a host is named, the page there was not kept. Providers change: look again before you rely on one.
"#;
