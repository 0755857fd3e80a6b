use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{manifests, page, promotions, repositories, search, tags, views};

/// Repositories, tags and manifests of an Orlop registry.
#[derive(OpenApi)]
#[openapi(
    info(title = "Orlop", license(name = "Apache-2.0")),
    paths(
        repositories::list,
        repositories::show,
        repositories::update,
        repositories::remove,
        repositories::usage,
        tags::list,
        tags::show,
        tags::update,
        tags::remove,
        tags::history,
        tags::roll_back,
        manifests::list,
        manifests::show,
        manifests::update,
        manifests::remove,
        search::search,
        promotions::create,
    ),
    components(schemas(views::Errors, views::ErrorView, page::OrderView)),
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

/// The description of the API (OpenAPI 3.1).
pub fn document() -> Document {
    Api::openapi()
}
