//! What a provider must be able to do for MCP hosts to sign in there by themselves.

use serde_json::Value;

use crate::{
    BuildError,
    oauth::{AuthorizationServerMetadata, ResourceIdentifier},
};

/// Refuses a provider that MCP hosts cannot sign in at, with the reason and the tier that fits it.
pub(super) fn check(
    metadata: &AuthorizationServerMetadata,
    resources: &[&ResourceIdentifier],
) -> Result<(), BuildError> {
    let lists = |list: &[String], wanted: &str| list.iter().any(|value| value == wanted);
    // MCP 2025-11-25, Authorization Code Protection: a host that does not find it must not go on.
    if !lists(&metadata.code_challenge_methods_supported, "S256") {
        return refused(
            "says nothing of PKCE with S256 (code_challenge_methods_supported), so MCP hosts refuse to sign in there",
        );
    }
    if !lists(&metadata.response_types_supported, "code") {
        return refused("does not offer the response type `code`");
    }
    let grants = &metadata.grant_types_supported;
    if !grants.is_empty() && !lists(grants, "authorization_code") {
        return refused("does not offer the grant type `authorization_code`");
    }
    if metadata.registration_endpoint.is_none() && !takes_documents(metadata) {
        return refused(
            "registers no clients (neither registration_endpoint nor client_id_metadata_document_supported), so no MCP host can become one",
        );
    }
    let named = &metadata.protected_resources;
    for resource in resources {
        if !named.is_empty() && !named.contains(resource) {
            return Err(BuildError::Unsafe(
                format!(
                    "the upstream names the resources that it issues tokens for (protected_resources), and {} is not one of them: register it there, or use DcrShim",
                    resource.as_str()
                )
                .into(),
            ));
        }
    }
    let methods = &metadata.token_endpoint_auth_methods_supported;
    if !lists(methods, "none") {
        tracing::warn!(
            event = "public_clients_not_offered",
            fault = "upstream",
            "the upstream does not say that clients without a secret can redeem codes (token_endpoint_auth_methods_supported without `none`): hosts that are such clients may fail"
        );
    }
    Ok(())
}

/// Whether a client can be the URL of its metadata document there
/// (draft-ietf-oauth-client-id-metadata-document-02 §5).
fn takes_documents(metadata: &AuthorizationServerMetadata) -> bool {
    let member = metadata.other.get("client_id_metadata_document_supported");
    member == Some(&Value::Bool(true))
}

fn refused(what: &'static str) -> Result<(), BuildError> {
    Err(BuildError::Unsafe(
        format!("DcrProxy does not fit this upstream: it {what}. Use DcrShim, which is its one client and registers hosts itself").into(),
    ))
}
