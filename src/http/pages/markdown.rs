//! Markdown of strangers as HTML that can do nothing but be read.

use std::collections::HashSet;

use pulldown_cmark::{Options, Parser, html};

/// Longer texts are cut.
const MAX_BYTES: usize = 48 * 1024;

/// HTML of headings, paragraphs, lists, tables, code and links to the web; no images, no attributes
/// but of links, no HTML of its own.
pub fn render(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(MAX_BYTES)];
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut unsafe_html = String::new();
    html::push_html(&mut unsafe_html, Parser::new_ext(text, options));
    ammonia::Builder::default()
        .rm_tags(["img", "map", "area"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"))
        .generic_attributes(HashSet::new())
        .clean(&unsafe_html)
        .to_string()
}

/// The text itself as an address to link to, if it is one of the web.
pub fn web_address(text: &str) -> Option<&str> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    (is_web && text.len() <= 2048 && !text.contains(char::is_whitespace)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_is_left_out() {
        let text = "# Hi\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n\
                    [a](javascript:alert(1)) [b](https://example.com) <b onclick=x>bold</b>\n\
                    [c](/r/x/-/delete) [d](data:text/html,x)";
        let html = render(text);
        for bad in ["script", "onerror", "onclick", "javascript", "<img", "/r/x", "data:"] {
            assert!(!html.contains(bad), "{bad}: {html}");
        }
        assert!(html.contains("<h1>Hi</h1>"), "{html}");
        assert!(html.contains(r#"href="https://example.com" rel="nofollow"#), "{html}");
    }

    #[test]
    fn only_addresses_of_the_web_are_linked() {
        assert!(web_address("https://example.com/a").is_some());
        for text in ["javascript:alert(1)", "data:text/html,x", "//x", "see https://x", "x"] {
            assert!(web_address(text).is_none(), "{text}");
        }
    }
}
