use axum::response::Response;
use http::header;

use super::Error;
use crate::http::dispatch::{Asked, ascii};
use crate::http::query::{Query, next_page};
use crate::metadata::Order;
use crate::registry::Paging;

/// The query parameter with the time of the item before a page. A client hands it back unread; with
/// it, a list by time goes on where it was, even if that item has changed or gone.
const AT: &str = "at";

/// The page that a query asks for.
pub fn paging(query: &Query<'_>) -> Result<Paging, Error> {
    let order = match query.get("orderby").unwrap_or_default() {
        "" | "none" => Order::Name,
        "timeasc" => Order::OldestFirst,
        "timedesc" => Order::NewestFirst,
        other => {
            let message = format!("orderby={other:.40} is no order: use timeasc or timedesc");
            return Err(Error::bad_request("REQUEST_INVALID", message));
        }
    };
    Ok(Paging {
        order,
        n: query.page_size()?,
        last: query.last().map(str::to_owned),
        last_changed_at: query.get(AT).and_then(|text| text.parse().ok()),
    })
}

/// Adds the link to the page after the item `last`, which was last changed `at`. The link says
/// `orderby` even where there is none.
pub fn link_next(response: &mut Response, asked: &Asked<'_>, last: &str, at: Option<i64>) {
    let query = asked.query();
    let at = at.map(|at| at.to_string());
    let mut more = vec![("orderby", query.get("orderby").unwrap_or_default())];
    more.extend(query.get("digest").map(|digest| ("digest", digest)));
    more.extend(at.as_deref().map(|at| (AT, at)));
    let path = percent_encoding::percent_decode_str(asked.parts.uri.path()).decode_utf8_lossy();
    let n = query.page_size().ok().flatten();
    response.headers_mut().insert(header::LINK, ascii(next_page(&path, last, n, &more)));
}
