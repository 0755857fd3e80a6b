use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::fields;

/// `[storage]`: where the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSettings {
    /// Folder of all data; made if it is missing.
    pub data_dir: PathBuf,
    /// Where blobs are: `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`,
    /// `gs://BUCKET/PREFIX` or `file:///PATH`. The data folder if absent.
    #[serde(deserialize_with = "fields::storage_url")]
    pub url: Option<String>,
    /// Of a service that is not the cloud's own.
    #[serde(deserialize_with = "fields::origin")]
    pub endpoint: Option<String>,
    pub region: Option<String>,
    /// Whether the bucket stands in the path of URLs, and not in the name of the host.
    pub path_style: bool,
    /// Bytes of memory that uploads to a bucket may take together for their parts.
    #[serde(deserialize_with = "fields::between::<16_777_216, 1_099_511_627_776, _, _>")]
    pub upload_memory_bytes: u64,
    /// Whether clients that pull a blob are sent to the bucket.
    pub redirect: bool,
    /// If it is not empty, only clients in one of these are.
    #[serde(deserialize_with = "fields::networks")]
    pub redirect_networks: Vec<IpNet>,
    /// Clients in one of these are not, whatever else is said.
    #[serde(deserialize_with = "fields::networks")]
    pub no_redirect_networks: Vec<IpNet>,
    /// Seconds that a link to the bucket holds.
    #[serde(deserialize_with = "fields::between::<1, 604_800, _, _>")]
    pub redirect_expiry_seconds: u32,
}

impl StorageSettings {
    /// Another store than the registry's own: where its URL is, and its service if it is not the
    /// same one.
    #[must_use]
    pub fn elsewhere(&self, url: &str, endpoint: Option<&str>, region: Option<&str>) -> Self {
        Self {
            url: Some(url.to_owned()),
            endpoint: endpoint.map(str::to_owned).or_else(|| self.endpoint.clone()),
            region: region.map(str::to_owned).or_else(|| self.region.clone()),
            ..self.clone()
        }
    }
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            data_dir: "./data".into(),
            url: None,
            endpoint: None,
            region: None,
            path_style: true,
            upload_memory_bytes: 32 << 20,
            redirect: false,
            redirect_networks: Vec::new(),
            no_redirect_networks: Vec::new(),
            redirect_expiry_seconds: 1200,
        }
    }
}

impl StorageSettings {
    /// Whether a client at this address is sent to the bucket.
    pub fn redirects(&self, client: IpAddr) -> bool {
        // A socket for both kinds of addresses shows those of IPv4 in its own way.
        let client = client.to_canonical();
        let is_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        self.redirect
            && (self.redirect_networks.is_empty() || is_in(&self.redirect_networks))
            && !is_in(&self.no_redirect_networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_decide_who_is_sent_to_the_bucket() {
        let settings = |text: &str| toml::from_str::<StorageSettings>(text).unwrap();
        let redirects = |settings: &StorageSettings| {
            ["10.1.2.3", "10.9.0.1", "203.0.113.7", "2001:db8::1"]
                .map(|address| settings.redirects(address.parse().unwrap()))
        };
        assert_eq!(redirects(&settings("")), [false; 4]);
        assert_eq!(redirects(&settings("redirect = true")), [true; 4]);
        let near =
            settings("redirect = true\nredirect_networks = [\"10.0.0.0/8\", \"2001:db8::1\"]");
        assert_eq!(redirects(&near), [true, true, false, true]);
        let far = settings("redirect = true\nno_redirect_networks = [\"10.0.0.0/8\"]");
        assert_eq!(redirects(&far), [false, false, true, true]);
        let both = "redirect = true\nredirect_networks = [\"10.0.0.0/8\"]\n\
                    no_redirect_networks = [\"10.9.0.0/16\"]";
        assert_eq!(redirects(&settings(both)), [true, false, false, false]);
        assert_eq!(redirects(&settings("redirect_networks = [\"10.0.0.0/8\"]")), [false; 4]);
    }
}
