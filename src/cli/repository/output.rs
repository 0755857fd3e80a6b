use reqwest::Method;
use serde_json::Value;

use crate::cli::Error;
use crate::cli::api::{Api, Format, print_json, print_table, text};

/// All items of a list, page by page, or the first `top`.
pub async fn all(
    api: &Api,
    path: &str,
    field: &str,
    top: Option<usize>,
) -> Result<Vec<Value>, Error> {
    let mut items = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let (mut answer, after) = api.ask(Method::GET, &path, None).await?;
        if let Value::Array(page) = answer[field].take() {
            items.extend(page);
        }
        next = after.filter(|_| top.is_none_or(|top| items.len() < top));
    }
    items.truncate(top.unwrap_or(usize::MAX));
    Ok(items)
}

/// Shows an answer in the format that was asked for.
pub fn show(api: &Api, value: &Value) {
    match (api.format, value) {
        (Format::Json, value) => print_json(value),
        (_, Value::Null) => {}
        (Format::Tsv, Value::Array(items)) => {
            for item in items {
                println!("{}", cells(item).join("\t"));
            }
        }
        (Format::Tsv, value) => println!("{}", cells(value).join("\t")),
        (Format::Table, Value::Array(items)) => {
            let mut rows = vec![titles(items)];
            rows.extend(items.iter().map(cells));
            print_table(&rows);
        }
        (Format::Table, value) => print_table(&[titles(std::slice::from_ref(value)), cells(value)]),
    }
}

fn titles(items: &[Value]) -> Vec<String> {
    match items.first() {
        Some(Value::Object(fields)) => fields.keys().map(|name| name.to_uppercase()).collect(),
        _ => vec!["RESULT".into()],
    }
}

fn cells(item: &Value) -> Vec<String> {
    match item {
        Value::Object(fields) => fields.values().map(text).collect(),
        value => vec![text(value)],
    }
}
