//! The attributes that lock and hide, as both APIs that manage content show and take them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::metadata::{AttributeChanges, Attributes};

/// What may be done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributesView {
    delete_enabled: bool,
    /// Where this is off, deleting is too.
    write_enabled: bool,
    read_enabled: bool,
    list_enabled: bool,
}

impl From<Attributes> for AttributesView {
    fn from(attributes: Attributes) -> Self {
        Self {
            delete_enabled: attributes.delete_enabled,
            write_enabled: attributes.write_enabled,
            read_enabled: attributes.read_enabled,
            list_enabled: attributes.list_enabled,
        }
    }
}

/// The attributes to change; the others stay.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeAttributes {
    delete_enabled: Option<bool>,
    write_enabled: Option<bool>,
    read_enabled: Option<bool>,
    list_enabled: Option<bool>,
}

impl From<ChangeAttributes> for AttributeChanges {
    fn from(changes: ChangeAttributes) -> Self {
        Self {
            delete_enabled: changes.delete_enabled,
            write_enabled: changes.write_enabled,
            read_enabled: changes.read_enabled,
            list_enabled: changes.list_enabled,
        }
    }
}
