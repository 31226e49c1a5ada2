//! Scopes at dispatch: once more behind the layer, and what a principal is shown.

#![allow(deprecated)] // what 2026-07-28 deprecates is still served to older hosts

use std::{borrow::Cow, future::Future};

use ::rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams,
        CancelledNotificationParam, CompleteRequestParams, CompleteResult, CustomNotification,
        CustomRequest, CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse,
        GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult,
        InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams,
        ProgressNotificationParam, ProtocolVersion, ReadResourceDirectoryRequestParams,
        ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse, Reference,
        ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

use super::caller;
use crate::{
    access_token::Principal,
    resource_server::{PROMPTS_GET, RESOURCES_READ, ResourceServer, TOOLS_CALL},
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
        full_lists: false,
    }
}

/// An rmcp handler that is asked only for what the caller's scopes allow, and whose lists of tools,
/// prompts and resources show only that.
///
/// The layer refuses first, with the 403 that hosts act on. This is the second lock: a request that
/// comes to the handler without its scopes, because the layer was left out or another service stands
/// in between, gets a JSON-RPC error. Who is calling is read from each request, never from the
/// session or connection that it came over; lists are private to the caller (`cacheScope`).
///
/// ```
/// use mcp_auth::{Tier, rmcp::{Scoped, scoped, server_config}};
/// use rmcp::{ServerHandler, transport::StreamableHttpService};
/// # use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
///
/// fn service<H: ServerHandler + Clone>(
///     tier: &dyn Tier,
///     handler: H,
/// ) -> StreamableHttpService<Scoped<H>, LocalSessionManager> {
///     let handler = scoped(tier, handler);
///     StreamableHttpService::new(move || Ok(handler.clone()), Default::default(), server_config(tier))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Scoped<H> {
    server: ResourceServer,
    handler: H,
    full_lists: bool,
}

impl<H> Scoped<H> {
    /// Shows everybody everything in the lists; calls are held to their scopes all the same.
    ///
    /// A host learns of a tool from the list only, so this is what lets it find one that it would have
    /// to ask the user for.
    #[must_use]
    pub const fn with_full_lists(mut self) -> Self {
        self.full_lists = true;
        self
    }

    /// Whether the caller may do this; without a caller only what needs no scope is allowed.
    fn allows(&self, caller: Option<&Principal>, method: &str, name: Option<&str>) -> bool {
        let needed = self.server.needed_scopes(method, name);
        let allowed = |caller| self.server.allows(caller, &needed);
        caller.map_or(needed.is_empty(), allowed)
    }

    /// As [`Self::allows`], with the refusal.
    fn check(
        &self,
        context: &RequestContext<RoleServer>,
        method: &str,
        name: Option<&str>,
    ) -> Result<(), ErrorData> {
        if self.allows(caller(&context.extensions), method, name) {
            return Ok(());
        }
        let (reason, resource) = ("insufficient_scope", self.server.resource().as_str());
        tracing::warn!(reason, fault = "client", resource, "dispatch refused");
        Err(ErrorData::invalid_request(
            "The access token lacks the needed scopes.",
            None,
        ))
    }

    /// Whether a list shows the caller this entry.
    fn shows(&self, caller: Option<&Principal>, method: &str, name: &str) -> bool {
        self.full_lists || self.allows(caller, method, Some(name))
    }
}

/// What differs by caller is nobody else's. Before 2026-07-28 there is no such mark and none is added;
/// since then rmcp adds this one where there is none.
fn private(cache_scope: &mut Option<CacheScope>) {
    if let Some(scope) = cache_scope {
        *scope = CacheScope::Private;
    }
}

/// Requests that are handed on once they are allowed: by their method, or also by the name in their
/// parameters.
macro_rules! checked {
    ($($function:ident: $method:expr, |$request:ident| $name:expr, $params:ty => $result:ty;)*) => {
        $(async fn $function(
            &self,
            $request: $params,
            context: RequestContext<RoleServer>,
        ) -> Result<$result, ErrorData> {
            self.check(&context, $method, $name)?;
            self.handler.$function($request, context).await
        })*
    };
}

/// A method that rmcp adds later is not here, and so not served: its default answers that there is none.
impl<H: ServerHandler> ServerHandler for Scoped<H> {
    checked! {
        initialize: "initialize", |request| None, InitializeRequestParams => InitializeResult;
        set_level: "logging/setLevel", |request| None, SetLevelRequestParams => ();
        get_prompt: PROMPTS_GET, |request| Some(&request.name), GetPromptRequestParams => GetPromptResponse;
        subscribe: "resources/subscribe", |request| Some(&request.uri), SubscribeRequestParams => ();
        unsubscribe: "resources/unsubscribe", |request| Some(&request.uri), UnsubscribeRequestParams => ();
        call_tool: TOOLS_CALL, |request| Some(&request.name), CallToolRequestParams => CallToolResponse;
        get_task: "tasks/get", |request| None, GetTaskParams => GetTaskResult;
        update_task: "tasks/update", |request| None, UpdateTaskParams => ();
        cancel_task: "tasks/cancel", |request| None, CancelTaskParams => ();
        get_skill: "skills/get", |request| Some(&request.uri), GetSkillRequestParams => GetSkillResult;
    }

    async fn ping(&self, context: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.check(&context, "ping", None)?;
        self.handler.ping(context).await
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        self.check(&context, "server/discover", None)?;
        self.handler.discover(context).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.check(&context, &request.method, None)?;
        self.handler.on_custom_request(request, context).await
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.check(&context, "completion/complete", None)?;
        // What tells about something needs what that needs.
        match &request.r#ref {
            Reference::Prompt(of) => self.check(&context, PROMPTS_GET, Some(&of.name))?,
            Reference::Resource(of) => self.check(&context, RESOURCES_READ, Some(&of.uri))?,
            _ => return Err(ErrorData::invalid_params("unknown reference", None)),
        }
        self.handler.complete(request, context).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.check(&context, RESOURCES_READ, Some(&request.uri))?;
        let mut response = self.handler.read_resource(request, context).await?;
        if let ReadResourceResponse::Complete(result) = &mut response {
            private(&mut result.cache_scope);
        }
        Ok(response)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.check(&context, "tools/list", None)?;
        let caller = caller(&context.extensions).cloned();
        let mut list = self.handler.list_tools(request, context).await?;
        let shown = |tool: &Tool| self.shows(caller.as_ref(), TOOLS_CALL, &tool.name);
        list.tools.retain(shown);
        private(&mut list.cache_scope);
        Ok(list)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.check(&context, "prompts/list", None)?;
        let caller = caller(&context.extensions).cloned();
        let mut list = self.handler.list_prompts(request, context).await?;
        list.prompts
            .retain(|prompt| self.shows(caller.as_ref(), PROMPTS_GET, &prompt.name));
        private(&mut list.cache_scope);
        Ok(list)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.check(&context, "resources/list", None)?;
        let caller = caller(&context.extensions).cloned();
        let mut list = self.handler.list_resources(request, context).await?;
        list.resources
            .retain(|resource| self.shows(caller.as_ref(), RESOURCES_READ, &resource.uri));
        private(&mut list.cache_scope);
        Ok(list)
    }

    /// A template is shown if its text is, as if it were a URI.
    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.check(&context, "resources/templates/list", None)?;
        let caller = caller(&context.extensions).cloned();
        let handler = &self.handler;
        let mut list = handler.list_resource_templates(request, context).await?;
        list.resource_templates
            .retain(|one| self.shows(caller.as_ref(), RESOURCES_READ, &one.uri_template));
        private(&mut list.cache_scope);
        Ok(list)
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        self.check(&context, "resources/directory/read", Some(&request.uri))?;
        let caller = caller(&context.extensions).cloned();
        let handler = &self.handler;
        let mut list = handler.read_resource_directory(request, context).await?;
        list.resources
            .retain(|resource| self.shows(caller.as_ref(), RESOURCES_READ, &resource.uri));
        private(&mut list.cache_scope);
        Ok(list)
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        self.check(&context, "skills/list", None)?;
        let caller = caller(&context.extensions).cloned();
        let mut list = self.handler.list_skills(request, context).await?;
        list.skills
            .retain(|skill| self.shows(caller.as_ref(), "skills/get", &skill.uri));
        private(&mut list.cache_scope);
        Ok(list)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.check(context.request_context(), "subscriptions/listen", None)?;
        let uris = context.accepted().resource_subscriptions.iter().flatten();
        for uri in uris {
            self.check(context.request_context(), RESOURCES_READ, Some(uri))?;
        }
        self.handler.listen(context).await
    }

    fn accepted_subscription_filter(
        &self,
        asked: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.handler.accepted_subscription_filter(asked)
    }

    fn negotiate_initialize(
        &self,
        request: &InitializeRequestParams,
    ) -> Result<InitializeResult, ErrorData> {
        self.handler.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }

    /// For the headers that repeat arguments; nobody is shown it.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.handler.get_tool(name)
    }

    fn get_info(&self) -> ServerConfig {
        self.handler.get_info()
    }

    fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.handler.on_cancelled(notification, context)
    }

    fn on_progress(
        &self,
        notification: ProgressNotificationParam,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.handler.on_progress(notification, context)
    }

    fn on_initialized(
        &self,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.handler.on_initialized(context)
    }

    fn on_roots_list_changed(
        &self,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.handler.on_roots_list_changed(context)
    }

    fn on_custom_notification(
        &self,
        notification: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + Send + '_ {
        self.handler.on_custom_notification(notification, context)
    }
}
