//! The list of a visitor's grants.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{
    super::{
        AuthorizationServer,
        pages::{
            ConnectedApp, ConnectedAppsPage, FormFields, Moment, ShownText, document_host,
            page_response,
        },
        paths,
    },
    ConnectedApps, FormToken, Visitor,
};
use crate::{
    access_token::{GrantAdministration, GrantSummary},
    oauth::Timestamp,
    store::StoreError,
};

/// Grants on one page; a person with more sees the latest, and the others once these are gone.
const MAX_SHOWN: usize = 200;

pub(super) async fn list(
    server: &AuthorizationServer,
    apps: &ConnectedApps,
    sent: &HeaderMap,
    visitor: &Visitor,
    nothing_changed: bool,
) -> Result<Response<Bytes>, StoreError> {
    let grants = GrantAdministration::new(server.grants.clone());
    let mut grants = grants.of_subject(visitor.subject()).await?;
    grants.sort_unstable_by(|a, b| (last_used(b), &b.name).cmp(&(last_used(a), &a.name)));
    let further = grants.len().saturating_sub(MAX_SHOWN);
    grants.truncate(MAX_SHOWN);
    let (token, browser) = FormToken::issue(server, apps, sent, Some(visitor));
    let described: Vec<_> = grants
        .iter()
        .map(|grant| server.scope_descriptions.describe(&grant.scopes))
        .collect();
    let shown: Vec<_> = grants
        .iter()
        .zip(&described)
        .map(|(grant, scopes)| {
            let vouched_for = apps.preregistered.as_ref();
            let vouched_for = vouched_for.and_then(|clients| clients.get(&grant.client));
            let name = match vouched_for {
                Some(client) => client.metadata().client_name.as_deref(),
                None => grant.client_name.as_deref(),
            };
            ConnectedApp {
                client_name: name.and_then(ShownText::of_name),
                preregistered: vouched_for.is_some(),
                client_host: document_host(grant.client.as_str()).map(ShownText::new),
                resource: ShownText::new(grant.resource.as_str()),
                scopes,
                since: Moment::new(grant.created_at),
                last_used: Moment::new(last_used(grant)),
                fields: FormFields::new([("token", &*token), ("grant", &*grant.name)]),
            }
        })
        .collect();
    let nonce = server.random.token();
    let page = ConnectedAppsPage {
        server_name: ShownText::new(&server.server_name),
        signed_in_as: visitor.name().and_then(ShownText::of_name),
        apps: &shown,
        further,
        nothing_changed,
        action: paths::CONNECTED_APPS,
        fields: FormFields::new([("token", &*token)]),
        nonce: &nonce,
    };
    let pages = server.pages.as_ref();
    let mut response = page_response(pages, StatusCode::OK, pages.connected_apps(&page), &nonce);
    browser.keep(server, &mut response);
    Ok(response)
}

/// When the client last got tokens with it.
fn last_used(grant: &GrantSummary) -> Timestamp {
    grant.refreshed_at.unwrap_or(grant.created_at)
}
