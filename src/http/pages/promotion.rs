//! Promotion: a form, then what it will do, then the doing.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Form, Parameters};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::auth::Action;
use crate::http::content::promotions::parse;
use crate::http::content::views::PromotionView;
use crate::http::{App, Error};
use crate::oci::{Digest, Reference};
use crate::registry::{Inspection, Promotion, RegistryError};

#[derive(Template)]
#[template(path = "promotion.html")]
struct PromotionPage<'a> {
    visit: &'a Visit,
    query: &'a Query,
    preview: Option<Preview>,
}

/// What a promotion will do.
struct Preview {
    promotion: Promotion,
    found: Inspection,
    /// What the target tag names now.
    before: Option<Digest>,
    /// Whether the visitor may know that.
    may_see: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Query {
    source: String,
    target: String,
}

pub async fn show(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Parameters(query): Parameters<Query>,
) -> Result<Response, PageError> {
    let preview = if query.source.is_empty() || query.target.is_empty() {
        None
    } else {
        let promotion = allowed(&visit, &query)?;
        let found = app.registry.inspect(&promotion.source, &promotion.reference, false).await?;
        let tag = Reference::Tag(promotion.tag.clone());
        let may_see = visit.caller.may(Action::MetadataRead, &promotion.target);
        let before = match app.registry.resolve(&promotion.target, &tag).await {
            Ok(digest) => may_see.then_some(digest),
            Err(RegistryError::ManifestUnknown { .. } | RegistryError::RepositoryUnknown(_)) => {
                None
            }
            Err(error) => return Err(error.into()),
        };
        Some(Preview { promotion, found, before, may_see })
    };
    page(&PromotionPage { visit: &visit, query: &query, preview })
}

pub async fn promote(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Form(query): Form<Query>,
) -> Result<Response, PageError> {
    let promotion = allowed(&visit, &query)?;
    app.registry.promote(std::slice::from_ref(&promotion), visit.caller.name()).await?;
    Ok(see_other(&format::within(&promotion.target, "manifests", &promotion.tag)))
}

/// The promotion, if this visitor may read the one and write the other.
fn allowed(visit: &Visit, query: &Query) -> Result<Promotion, PageError> {
    let (source, target) = (query.source.trim().into(), query.target.trim().into());
    let promotion = parse(&PromotionView { source, target })?;
    if visit.may_pull(&promotion.source) && visit.may_push(&promotion.target) {
        return Ok(promotion);
    }
    let message = format!(
        "{} may not promote from {} to {}: this needs the right to pull from the one and to push \
         to the other",
        visit.caller.name(),
        promotion.source,
        promotion.target
    );
    Err(Error::new(StatusCode::FORBIDDEN, "DENIED", message).into())
}
