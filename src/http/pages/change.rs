//! Changes of content. What cannot be undone with one click is shown first, by a page that says
//! what will happen.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::error::PageError;
use super::extract::{Form, Parameters, Path};
use super::page::{Visit, page, see_other};
use super::{assets, format};
use crate::http::App;
use crate::metadata::AttributeChanges;
use crate::oci::{Digest, Reference, RepositoryName, Tag};

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage<'a> {
    visit: &'a Visit,
    title: String,
    /// What will happen, sentence by sentence.
    effects: Vec<String>,
    action: String,
    button: &'static str,
    is_dangerous: bool,
    /// Name and value of what the form sends too.
    hidden: Vec<(&'static str, String)>,
    back: String,
}

/// What may be done, as the boxes of a form say.
#[derive(Deserialize)]
pub struct Locks {
    delete: Option<String>,
    write: Option<String>,
    read: Option<String>,
    list: Option<String>,
}

impl From<Locks> for AttributeChanges {
    fn from(locks: Locks) -> Self {
        let is_on = |field: &Option<String>| Some(field.is_some());
        Self {
            delete_enabled: is_on(&locks.delete),
            write_enabled: is_on(&locks.write),
            read_enabled: is_on(&locks.read),
            list_enabled: is_on(&locks.list),
        }
    }
}

pub async fn lock_repository(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
    Form(locks): Form<Locks>,
) -> Result<Response, PageError> {
    app.registry.change_repository(&name, locks.into(), visit.caller.name()).await?;
    Ok(see_other(&format::repository(&name)))
}

pub async fn lock_tag(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, tag)): Path<(RepositoryName, Tag)>,
    Form(locks): Form<Locks>,
) -> Result<Response, PageError> {
    app.registry.change_tag(&name, &tag, locks.into(), visit.caller.name()).await?;
    Ok(see_other(&format::within(&name, "tags", &tag)))
}

pub async fn lock_manifest(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, reference)): Path<(RepositoryName, String)>,
    Form(locks): Form<Locks>,
) -> Result<Response, PageError> {
    let digest = app.registry.resolve(&name, &Reference::parse(&reference)?).await?;
    app.registry.change_manifest(&name, &digest, locks.into(), visit.caller.name()).await?;
    Ok(see_other(&format::within(&name, "manifests", &digest)))
}

pub async fn ask_delete_repository(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
) -> Result<Response, PageError> {
    let repository = app.registry.repository(&name).await?;
    let usage = app.registry.repository_usage(&name).await?;
    let effects = vec![
        format!(
            "{} tags and {} manifests can no longer be pulled.",
            repository.tag_count, repository.manifest_count
        ),
        format!("{} are in this repository only.", format::size(usage.exclusive_size)),
        restorable(&app),
    ];
    page(&ConfirmPage {
        visit: &visit,
        title: format!("Delete the repository {name}?"),
        effects,
        action: format!("{}/-/delete", format::repository(&name)),
        button: "Delete the repository",
        is_dangerous: true,
        hidden: Vec::new(),
        back: format::repository(&name),
    })
}

pub async fn delete_repository(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<RepositoryName>,
) -> Result<Response, PageError> {
    app.registry.delete_repository(&name, visit.caller.name()).await?;
    Ok(see_other("/"))
}

pub async fn ask_delete_manifest(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, reference)): Path<(RepositoryName, String)>,
) -> Result<Response, PageError> {
    let found = app.registry.inspect(&name, &Reference::parse(&reference)?, false).await?;
    let digest = &found.details.record.digest;
    let tags: Vec<_> = found.details.tags.iter().map(Tag::as_str).collect();
    let mut effects = vec![format!("{name}@{digest} can no longer be pulled.")];
    match &*tags {
        [] => {}
        [tag] => effects.push(format!("Its tag {tag} goes with it.")),
        tags => effects.push(format!("Its {} tags go with it: {}.", tags.len(), tags.join(", "))),
    }
    if !found.referrers.is_empty() {
        effects.push(format!(
            "{} that refer to it, such as signatures, stay and can be pulled by digest.",
            found.referrers.len()
        ));
    }
    effects
        .push(format!("{} are needed by nothing else.", format::size(found.usage.exclusive_size)));
    effects.push(restorable(&app));
    page(&ConfirmPage {
        visit: &visit,
        title: format!("Delete the manifest {}?", format::short(digest)),
        effects,
        action: format!("{}/delete", format::within(&name, "manifests", digest)),
        button: "Delete the manifest",
        is_dangerous: true,
        hidden: Vec::new(),
        back: format::within(&name, "manifests", &reference),
    })
}

pub async fn delete_manifest(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, reference)): Path<(RepositoryName, String)>,
) -> Result<Response, PageError> {
    let digest = app.registry.resolve(&name, &Reference::parse(&reference)?).await?;
    app.registry.delete_manifest(&name, &digest, visit.caller.name()).await?;
    Ok(see_other(&format::repository(&name)))
}

pub async fn ask_untag(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, tag)): Path<(RepositoryName, Tag)>,
) -> Result<Response, PageError> {
    let record = app.registry.tag(&name, &tag).await?;
    let effects = vec![
        format!("{name}:{tag} can no longer be pulled."),
        format!("What it names stays and can be pulled as {name}@{}.", record.digest),
        "The history of the tag is kept, and a roll-back sets it again.".into(),
    ];
    page(&ConfirmPage {
        visit: &visit,
        title: format!("Remove the tag {tag}?"),
        effects,
        action: format!("{}/untag", format::within(&name, "tags", &tag)),
        button: "Remove the tag",
        is_dangerous: true,
        hidden: Vec::new(),
        back: format::within(&name, "tags", &tag),
    })
}

pub async fn untag(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, tag)): Path<(RepositoryName, Tag)>,
) -> Result<Response, PageError> {
    app.registry.delete_tag(&name, &tag, visit.caller.name()).await?;
    Ok(see_other(&format::repository(&name)))
}

#[derive(Deserialize)]
pub struct To {
    digest: String,
}

pub async fn ask_roll_back(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, tag)): Path<(RepositoryName, Tag)>,
    Parameters(To { digest }): Parameters<To>,
) -> Result<Response, PageError> {
    let digest = Digest::parse(&digest)?;
    let now = app.registry.resolve(&name, &Reference::Tag(tag.clone())).await.ok();
    let target = app.registry.manifest_details(&name, &digest).await?;
    let before = now.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
    let effects = vec![
        format!("{name}:{tag} names {before} now."),
        format!(
            "It will name {digest} again, which came {} and has {}.",
            format::ago(target.record.created_at),
            format::size(target.record.content_size)
        ),
        "Whoever pulls the tag gets that from then on. The move is noted in its history.".into(),
    ];
    page(&ConfirmPage {
        visit: &visit,
        title: format!("Roll {tag} back to {}?", format::short(&digest)),
        effects,
        action: format!("{}/rollback", format::within(&name, "tags", &tag)),
        button: "Roll back",
        is_dangerous: false,
        hidden: vec![("digest", digest.to_string())],
        back: format::within(&name, "tags", &tag),
    })
}

pub async fn roll_back(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((name, tag)): Path<(RepositoryName, Tag)>,
    Form(To { digest }): Form<To>,
) -> Result<Response, PageError> {
    let digest = Digest::parse(&digest)?;
    app.registry.roll_back_tag(&name, &tag, Some(&digest), visit.caller.name()).await?;
    Ok(see_other(&format::within(&name, "tags", &tag)))
}

fn restorable(app: &App) -> String {
    match app.settings.registry.deleted_retention_days {
        0 => "It cannot be restored.".into(),
        1 => "It can be restored for a day.".into(),
        days => format!("It can be restored for {days} days."),
    }
}
