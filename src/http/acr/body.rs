use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::{Error, Failure};
use crate::http::attributes::ChangeAttributes;
use crate::metadata::AttributeChanges;
use crate::registry::{Incoming, RegistryError};

/// Bytes of the largest body that makes sense here.
const MAX_BYTES: usize = 64 << 10;

/// Any of the four attributes; Azure's clients leave out what is to stay.
pub async fn attribute_changes(body: Incoming) -> Result<AttributeChanges, Failure> {
    Ok(json::<ChangeAttributes>(body).await?.into())
}

/// A JSON body, whatever its `Content-Type`; an empty one stands for `{}`.
pub async fn json<T: DeserializeOwned>(mut body: Incoming) -> Result<T, Failure> {
    let invalid = |message: String| Error::bad_request("REQUEST_INVALID", message);
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        bytes.extend_from_slice(&part.map_err(RegistryError::Interrupted)?);
        if bytes.len() > MAX_BYTES {
            return Err(invalid(format!("the body may have {MAX_BYTES} bytes at most")).into());
        }
    }
    let bytes = if bytes.is_empty() { b"{}" } else { bytes.as_slice() };
    serde_json::from_slice(bytes)
        .map_err(|error| invalid(format!("the body is not what it should be: {error}")).into())
}
