//! Query parameters, in order and possibly several of one name.

use std::borrow::Cow;

use super::Error;

/// The parameters of a URL's query, percent-decoded.
pub struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub fn parse(query: Option<&'a str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).collect())
    }

    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// How many items a page is to have: `n`, which may be larger than any page.
    pub fn page_size(&self) -> Result<Option<u64>, Error> {
        let Some(text) = self.get("n").filter(|text| !text.is_empty()) else { return Ok(None) };
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            let message = format!("n={text:.40} is not a number of items: use 0 or more");
            return Err(Error::bad_request("PAGINATION_NUMBER_INVALID", message));
        }
        Ok(Some(text.parse().unwrap_or(u64::MAX)))
    }

    /// The item after which a page begins.
    pub fn last(&self) -> Option<&str> {
        self.get("last")
    }
}

/// The `Link` to the next page of `path`, which begins after `last` (RFC 8288).
pub fn next_page(path: &str, last: &str, n: Option<u64>, more: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("last", last);
    if let Some(n) = n {
        query.append_pair("n", &n.to_string());
    }
    query.extend_pairs(more);
    format!("<{path}?{}>; rel=\"next\"", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_size_is_a_number_however_large() {
        let size = |text| Query::parse(Some(text)).page_size();
        assert_eq!(size("n=0").unwrap(), Some(0));
        assert_eq!(size("x=1").unwrap(), None);
        assert_eq!(size("n=99999999999999999999999").unwrap(), Some(u64::MAX));
        for text in ["n=-1", "n=a", "n=1.5", "n=+1", "n=0x1"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_carries_the_place_encoded() {
        let link = next_page("/v2/_catalog", "a/b", Some(2), &[]);
        assert_eq!(link, r#"</v2/_catalog?last=a%2Fb&n=2>; rel="next""#);
    }
}
