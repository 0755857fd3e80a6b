//! The files that pages load, out of the program itself. Their address holds a digest of their
//! content, so that a browser keeps them for ever and has the new ones after an update.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header;
use sha2::{Digest as _, Sha256};

use super::error::PageError;
use crate::http::Error;

const FILES: [(&str, &str, &[u8]); 3] = [
    ("orlop.css", "text/css; charset=utf-8", include_bytes!("static/orlop.css")),
    ("orlop.js", "text/javascript; charset=utf-8", include_bytes!("static/orlop.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("static/icon.svg")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    for (_, _, content) in FILES {
        hasher.update(content);
    }
    hex::encode(&hasher.finalize()[..8])
});

pub fn url(file: &str) -> String {
    format!("/static/{}/{file}", *VERSION)
}

pub async fn show(Path((_version, file)): Path<(String, String)>) -> Result<Response, PageError> {
    let (_, kind, content) =
        FILES.into_iter().find(|(name, ..)| *name == file).ok_or_else(Error::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, content).into_response())
}
