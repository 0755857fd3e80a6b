use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::Error;
use crate::http::dispatch::ascii;
use crate::http::query::next_page;
use crate::metadata::Order;
use crate::registry::Paging;

/// Which page of a list. The answer's `Link` header leads to the next.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Items of the page, a thousand at most
    #[param(minimum = 0)]
    pub n: Option<u64>,
    /// The item before the page
    pub last: Option<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderView {
    Name,
    /// The oldest change first
    TimeAsc,
    /// The newest change first
    TimeDesc,
}

/// Which page of a list, and its order. The answer's `Link` header leads to the next.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderedPage {
    /// Items of the page, a thousand at most
    #[param(minimum = 0)]
    n: Option<u64>,
    /// Name or digest of the item before the page
    last: Option<String>,
    /// By name if not given
    orderby: Option<OrderView>,
    /// When the item before the page was last changed; comes with the `Link`
    at: Option<i64>,
}

impl OrderedPage {
    pub fn paging(self) -> Paging {
        let order = match self.orderby {
            None | Some(OrderView::Name) => Order::Name,
            Some(OrderView::TimeAsc) => Order::OldestFirst,
            Some(OrderView::TimeDesc) => Order::NewestFirst,
        };
        Paging { order, n: self.n, last: self.last, last_changed_at: self.at }
    }
}

/// One page as JSON, with the link to the next if there is a `last` item before it.
pub fn page<T: Serialize>(
    path: &str,
    body: T,
    n: Option<u64>,
    last: Option<String>,
    more: &[(&str, &str)],
) -> Result<Response, Error> {
    let mut response = Json(body).into_response();
    if let Some(last) = last {
        response.headers_mut().insert(header::LINK, ascii(next_page(path, &last, n, more)));
    }
    Ok(response)
}

/// As [`page`], in an order.
pub fn ordered_page<T: Serialize>(
    path: &str,
    body: T,
    paging: &Paging,
    last: Option<(String, i64)>,
) -> Result<Response, Error> {
    let at = last.as_ref().map(|(_, at)| at.to_string()).unwrap_or_default();
    let order = match paging.order {
        Order::Name => return page(path, body, paging.n, last.map(|(name, _)| name), &[]),
        Order::OldestFirst => "timeasc",
        Order::NewestFirst => "timedesc",
    };
    let more = [("orderby", order), ("at", &*at)];
    page(path, body, paging.n, last.map(|(name, _)| name), &more)
}
