//! Scopes at dispatch: once more behind the layer, and what a principal is shown.

use std::borrow::Cow;

use ::rmcp::{
    ErrorData, RoleServer, Service,
    model::{CacheScope, ClientRequest, ProtocolVersion, Reference, ServerResult},
    service::{NotificationContext, RequestContext, ServiceRole},
};

use super::caller;
use crate::{
    access_token::Principal,
    oauth::Scopes,
    resource_server::{Operation, PROMPTS_GET, RESOURCES_READ, ResourceServer, TOOLS_CALL},
    tier::Tier,
};

/// The handler behind the policy of the tier's main endpoint; see [`Scoped`].
#[must_use]
pub fn scoped<H>(tier: &dyn Tier, handler: H) -> Scoped<H> {
    scoped_for(tier.resource_servers().main(), handler)
}

/// As [`scoped`], for one of several endpoints.
#[must_use]
pub fn scoped_for<H>(server: &ResourceServer, handler: H) -> Scoped<H> {
    Scoped {
        server: server.clone(),
        handler,
    }
}

/// An rmcp handler that is asked only for what the caller's scopes allow, and whose lists of tools,
/// prompts and resources show only that.
///
/// The layer refuses first, with the 403 that hosts act on. This is the second lock: a request that
/// comes to the handler without its scopes, because the layer was left out or another service stands
/// in between, gets a JSON-RPC error. Who is calling is read from each request, never from the
/// session or connection that it came over; lists are marked as private to the caller
/// (`cacheScope`).
///
/// ```
/// use mcp_auth::{Tier, rmcp::{scoped, server_config}};
/// use rmcp::{ServerHandler, transport::StreamableHttpService};
/// # use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
///
/// fn service<H: ServerHandler + Clone>(
///     tier: &dyn Tier,
///     handler: H,
/// ) -> StreamableHttpService<mcp_auth::rmcp::Scoped<H>, LocalSessionManager> {
///     let handler = scoped(tier, handler);
///     StreamableHttpService::new(move || Ok(handler.clone()), Default::default(), server_config(tier))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Scoped<H> {
    server: ResourceServer,
    handler: H,
}

impl<H: Service<RoleServer>> Service<RoleServer> for Scoped<H> {
    async fn handle_request(
        &self,
        request: <RoleServer as ServiceRole>::PeerReq,
        context: RequestContext<RoleServer>,
    ) -> Result<<RoleServer as ServiceRole>::Resp, ErrorData> {
        let principal = caller(&context.extensions).cloned();
        let view = View {
            server: &self.server,
            principal: principal.as_ref(),
        };
        let mut restricted = false;
        let Some(operations) = operations(&request) else {
            return Err(ErrorData::invalid_request("That is not served here.", None));
        };
        for Operation { method, name } in operations {
            let needed = self.server.needed_scopes(&method, name.as_deref());
            restricted |= needed != *self.server.required_scopes();
            if !view.allows(&needed) {
                let reason = "insufficient_scope";
                let resource = self.server.resource().as_str();
                tracing::warn!(reason, fault = "client", resource, scopes = %needed, "dispatch refused");
                return Err(ErrorData::invalid_request(
                    "The access token lacks the needed scopes.",
                    None,
                ));
            }
        }
        let mut result = self.handler.handle_request(request, context).await?;
        view.filter(&mut result, restricted);
        Ok(result)
    }

    async fn handle_notification(
        &self,
        notification: <RoleServer as ServiceRole>::PeerNot,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.handler
            .handle_notification(notification, context)
            .await
    }

    fn get_info(&self) -> <RoleServer as ServiceRole>::Info {
        self.handler.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }
}

/// What one caller may do.
struct View<'a> {
    server: &'a ResourceServer,
    /// Without one only what needs no scope is allowed.
    principal: Option<&'a Principal>,
}

impl View<'_> {
    fn allows(&self, needed: &Scopes) -> bool {
        let Some(principal) = self.principal else {
            return needed.is_empty();
        };
        self.server.allows(principal, needed)
    }

    fn shows(&self, method: &str, name: &str) -> bool {
        self.allows(&self.server.needed_scopes(method, Some(name)))
    }

    /// Takes out of a list what the caller could not use. A template is shown if its text is, as if it
    /// were a URI.
    fn filter(&self, result: &mut ServerResult, restricted: bool) {
        let cache_scope = match result {
            ServerResult::ListToolsResult(list) => {
                list.tools.retain(|tool| self.shows(TOOLS_CALL, &tool.name));
                &mut list.cache_scope
            }
            ServerResult::ListPromptsResult(list) => {
                list.prompts
                    .retain(|prompt| self.shows(PROMPTS_GET, &prompt.name));
                &mut list.cache_scope
            }
            ServerResult::ListResourcesResult(list) => {
                list.resources
                    .retain(|one| self.shows(RESOURCES_READ, &one.uri));
                &mut list.cache_scope
            }
            ServerResult::ListResourceTemplatesResult(list) => {
                let templates = &mut list.resource_templates;
                templates.retain(|one| self.shows(RESOURCES_READ, &one.uri_template));
                &mut list.cache_scope
            }
            ServerResult::ReadResourceResult(read) if restricted => &mut read.cache_scope,
            _ => return,
        };
        // Before 2026-07-28 there is none, and then none is added.
        if let Some(scope) = cache_scope {
            *scope = CacheScope::Private;
        }
    }
}

/// What a request asks for, as the layer reads it from the body.
///
/// None for what this version cannot name, which is then refused.
fn operations(request: &ClientRequest) -> Option<Vec<Operation>> {
    let method = request.method();
    let one = |name: Option<&str>| vec![Operation::new(method, name)];
    Some(match request {
        ClientRequest::CallToolRequest(call) => one(Some(&call.params.name)),
        ClientRequest::GetPromptRequest(get) => one(Some(&get.params.name)),
        ClientRequest::ReadResourceRequest(read) => one(Some(&read.params.uri)),
        ClientRequest::SubscribeRequest(subscribe) => one(Some(&subscribe.params.uri)),
        ClientRequest::UnsubscribeRequest(unsubscribe) => one(Some(&unsubscribe.params.uri)),
        ClientRequest::GetSkillRequest(get) => one(Some(&get.params.uri)),
        ClientRequest::ReadResourceDirectoryRequest(read) => one(Some(&read.params.uri)),
        ClientRequest::CompleteRequest(complete) => {
            let of = match &complete.params.r#ref {
                Reference::Prompt(prompt) => Operation::new(PROMPTS_GET, Some(&prompt.name)),
                Reference::Resource(resource) => {
                    Operation::new(RESOURCES_READ, Some(&resource.uri))
                }
                _ => return None,
            };
            vec![Operation::new(method, None), of]
        }
        ClientRequest::SubscriptionsListenRequest(listen) => {
            let uris = listen
                .params
                .notifications
                .resource_subscriptions
                .iter()
                .flatten();
            let reads = uris.map(|uri| Operation::new(RESOURCES_READ, Some(uri)));
            one(None).into_iter().chain(reads).collect()
        }
        _ => one(None),
    })
}
