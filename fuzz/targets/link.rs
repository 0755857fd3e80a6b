//! A `Link` is a header value that leads where it should, whatever stands in it.
#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use orlop::http::query::{Query, next_page};

fuzz_target!(|input: &str| {
    // The size of a page stands in the first line, where the page begins in the second.
    let (n, rest) = input.split_once('\n').unwrap_or(("", input));
    let (last, more) = rest.split_once('\n').unwrap_or((rest, ""));
    let n: Option<u64> = n.parse().ok();
    let link = next_page("/v2/_catalog", last, n, &[("artifactType", more)]);
    assert!(HeaderValue::try_from(link.as_str()).is_ok());
    let (target, rest) = link[1..].split_once('>').expect("a link stands between brackets");
    assert_eq!(rest, "; rel=\"next\"");
    let query = Query::parse(target.strip_prefix("/v2/_catalog?"));
    assert_eq!((query.last(), query.get("artifactType")), (Some(last), Some(more)));
    assert_eq!(query.page_size().expect("it is a number"), n);
});
