use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;

use super::Error;
use super::views::{Promote, Promoted, PromotedTag, PromotionView, Refusals};
use crate::auth::{Action, Caller};
use crate::http::App;
use crate::http::extract::Body;
use crate::oci::{Reference, RepositoryName, Tag};
use crate::registry::Promotion;

/// Tags that one promotion may set.
const MAX_PROMOTIONS: usize = 1000;

/// Give tags to images of other repositories, all or none
///
/// The target repositories get the images with their children and signatures.
#[utoipa::path(post, path = super::PROMOTIONS, tag = "promotions", request_body = Promote,
    responses((status = 200, body = Promoted), Refusals))]
pub async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Body(Promote { promotions }): Body<Promote>,
) -> Result<Json<Promoted>, Error> {
    if promotions.is_empty() || promotions.len() > MAX_PROMOTIONS {
        let message = format!("name 1 to {MAX_PROMOTIONS} promotions, not {}", promotions.len());
        return Err(Error::bad_request("REQUEST_INVALID", message));
    }
    let promotions = promotions.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    for Promotion { source, target, .. } in &promotions {
        let may_read = caller.may(Action::ContentRead, source);
        if !may_read || !caller.may(Action::ContentWrite, target) {
            let message = format!(
                "{} may not promote from {source} to {target}: this needs the right to pull from \
                 the one and to push to the other",
                caller.name()
            );
            return Err(Error::new(StatusCode::FORBIDDEN, "DENIED", message));
        }
    }
    let digests = app.registry.promote(&promotions, caller.name()).await?;
    let tags = promotions.iter().zip(digests).map(|(promotion, digest)| PromotedTag {
        repository: promotion.target.to_string(),
        tag: promotion.tag.to_string(),
        digest: digest.to_string(),
    });
    Ok(Json(Promoted { tags: tags.collect() }))
}

pub fn parse(PromotionView { source, target }: &PromotionView) -> Result<Promotion, Error> {
    let invalid = |text: &str, right: &str| {
        let message = format!("{text:.300} is not of the form {right}");
        Error::bad_request("REQUEST_INVALID", message)
    };
    let (source_name, reference) = source
        .split_once('@')
        .or_else(|| source.rsplit_once(':'))
        .ok_or_else(|| invalid(source, "REPOSITORY:TAG or REPOSITORY@DIGEST"))?;
    let (target_name, tag) =
        target.rsplit_once(':').ok_or_else(|| invalid(target, "REPOSITORY:TAG"))?;
    Ok(Promotion {
        source: RepositoryName::parse(source_name)?,
        reference: Reference::parse(reference)?,
        target: RepositoryName::parse(target_name)?,
        tag: Tag::parse(tag)?,
    })
}
