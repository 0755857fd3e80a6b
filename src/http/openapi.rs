//! The description of the management API (OpenAPI 3.1), made of the annotations of its handlers.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{App, access, content};

/// Repositories, tags and manifests of an Orlop registry, and who may do what with them.
#[derive(OpenApi)]
#[openapi(
    info(title = "Orlop", license(name = "Apache-2.0")),
    components(schemas(content::views::Errors, content::views::ErrorView)),
    modifiers(&Basic),
    security(("password" = []))
)]
struct Api;

/// A user's name and password, or personal token.
struct Basic;

impl Modify for Basic {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("password", SecurityScheme::Http(scheme));
    }
}

/// The description as it stands in `docs/openapi.json`.
pub fn document() -> Document {
    let mut document = Api::openapi();
    document.merge(content::description());
    document.merge(access::description());
    document
}

/// Everybody may read what the API takes.
pub fn routes() -> Router<App> {
    Router::new().route("/api/openapi.json", get(async || Json(document())))
}
