use askama::Template;
use axum::Extension;
use axum::response::Response;

use super::error::PageError;
use super::page::{Visit, page};
use super::{assets, format};

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'a> {
    visit: &'a Visit,
    host: &'a str,
    url: &'a str,
    plain: &'static str,
    /// What podman and others want for a registry without TLS.
    tls_verify: &'static str,
    is_plain: bool,
}

pub async fn show(Extension(visit): Extension<Visit>) -> Result<Response, PageError> {
    let is_plain = visit.origin.url.starts_with("http://");
    page(&WelcomePage {
        visit: &visit,
        host: &visit.origin.host,
        url: &visit.origin.url,
        plain: if is_plain { " --plain-http" } else { "" },
        tls_verify: if is_plain { " --tls-verify=false" } else { "" },
        is_plain,
    })
}
