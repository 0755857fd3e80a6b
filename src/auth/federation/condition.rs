use std::iter::Peekable;
use std::str::CharIndices;

use serde_json::Value;

const MAX_LEN: usize = 4096;
const MAX_DEPTH: usize = 32;

/// What the claims of an ID token must be, such as
/// `repository == "org/app" && ref == "refs/heads/main"`.
///
/// Comparisons are `CLAIM == VALUE`, `CLAIM != VALUE`, `CLAIM like "text*"` (stars stand for any
/// text), `CLAIM in [VALUE, …]` and `VALUE in CLAIM` for claims that are lists; `&&`, `||`, `!` and
/// parentheses join them. A value is a text, a whole number, `true` or `false`. Members of a claim
/// are named with dots, or as `["kubernetes.io"].namespace` if their name is no word. A comparison
/// with a claim that is not there is false, `!=` too.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Node);

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Equal(Path, Value),
    Different(Path, Value),
    Like(Path, String),
    OneOf(Path, Vec<Value>),
    Lists(Path, Value),
}

/// Names of members, from the outermost.
type Path = Vec<String>;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the condition makes no sense at character {at}: {expected} was expected")]
pub struct ConditionError {
    at: usize,
    expected: &'static str,
}

impl Condition {
    /// # Errors
    /// [`ConditionError`] names the first place that is not of the grammar.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        if text.len() > MAX_LEN {
            return Err(ConditionError { at: MAX_LEN, expected: "the end" });
        }
        let mut parser = Parser { text, tokens: Tokens::new(text).peekable(), depth: 0 };
        let node = parser.or()?;
        match parser.tokens.next() {
            None => Ok(Self(node)),
            Some(_) => Err(parser.error_before("&&, || or the end")),
        }
    }

    pub fn holds(&self, claims: &Value) -> bool {
        self.0.holds(claims)
    }
}

impl Node {
    fn holds(&self, claims: &Value) -> bool {
        match self {
            Self::Or(nodes) => nodes.iter().any(|node| node.holds(claims)),
            Self::And(nodes) => nodes.iter().all(|node| node.holds(claims)),
            Self::Not(node) => !node.holds(claims),
            Self::Equal(path, value) => find(claims, path) == Some(value),
            Self::Different(path, value) => find(claims, path).is_some_and(|found| found != value),
            Self::Like(path, pattern) => find(claims, path)
                .and_then(Value::as_str)
                .is_some_and(|text| is_like(text, pattern)),
            Self::OneOf(path, values) => {
                find(claims, path).is_some_and(|found| values.contains(found))
            }
            Self::Lists(path, value) => find(claims, path)
                .and_then(Value::as_array)
                .is_some_and(|list| list.contains(value)),
        }
    }
}

fn find<'a>(claims: &'a Value, path: &Path) -> Option<&'a Value> {
    path.iter().try_fold(claims, |value, name| value.as_object()?.get(name))
}

fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut rest = rest;
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(i64),
    Sign(&'static str),
    /// What begins nothing of the grammar.
    Strange,
}

struct Tokens<'a> {
    text: &'a str,
    characters: Peekable<CharIndices<'a>>,
}

const SIGNS: [&str; 10] = ["==", "!=", "&&", "||", "!", "(", ")", "[", "]", ","];

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, characters: text.char_indices().peekable() }
    }

    fn skip_to(&mut self, end: usize) {
        while self.characters.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// A text in double quotes, where a backslash takes the next character as it is.
    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.characters.next()?.1 {
                '"' => return Some(text),
                '\\' => text.push(self.characters.next()?.1),
                other => text.push(other),
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    /// A token and where it begins.
    type Item = (usize, Token);

    fn next(&mut self) -> Option<Self::Item> {
        while self.characters.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        let (at, first) = *self.characters.peek()?;
        let rest = &self.text[at..];
        if first == '"' {
            self.characters.next();
            return Some((at, self.text().map_or(Token::Strange, Token::Text)));
        }
        if first == '.' {
            self.characters.next();
            return Some((at, Token::Sign(".")));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.skip_to(at + sign.len());
            return Some((at, Token::Sign(sign)));
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        self.skip_to(at + end.max(first.len_utf8()));
        let token = match word.parse() {
            _ if word.is_empty() => Token::Strange,
            Ok(number) => Token::Number(number),
            Err(_) if first.is_ascii_digit() || first == '-' => Token::Strange,
            Err(_) => Token::Word(word.into()),
        };
        Some((at, token))
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Peekable<Tokens<'a>>,
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Node, ConditionError> {
        let mut nodes = vec![self.and()?];
        while self.takes("||") {
            nodes.push(self.and()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Or(nodes) })
    }

    fn and(&mut self) -> Result<Node, ConditionError> {
        let mut nodes = vec![self.term()?];
        while self.takes("&&") {
            nodes.push(self.term()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::And(nodes) })
    }

    fn term(&mut self) -> Result<Node, ConditionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("something less nested"));
        }
        let node = if self.takes("!") {
            Node::Not(Box::new(self.term()?))
        } else if self.takes("(") {
            let node = self.or()?;
            self.expect(")", ")")?;
            node
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn comparison(&mut self) -> Result<Node, ConditionError> {
        if let Some(value) = self.value() {
            if !self.takes_word("in") {
                return Err(self.error("in"));
            }
            return Ok(Node::Lists(self.path()?, value));
        }
        let path = self.path()?;
        if self.takes("==") {
            Ok(Node::Equal(path, self.require_value()?))
        } else if self.takes("!=") {
            Ok(Node::Different(path, self.require_value()?))
        } else if self.takes_word("like") {
            match self.require_value()? {
                Value::String(pattern) => Ok(Node::Like(path, pattern)),
                _ => Err(self.error_before("a text")),
            }
        } else if self.takes_word("in") {
            self.expect("[", "[")?;
            let mut values = vec![self.require_value()?];
            while self.takes(",") {
                values.push(self.require_value()?);
            }
            self.expect("]", "]")?;
            Ok(Node::OneOf(path, values))
        } else {
            Err(self.error("==, !=, like or in"))
        }
    }

    fn path(&mut self) -> Result<Path, ConditionError> {
        let mut path = vec![match self.tokens.peek() {
            Some((_, Token::Sign("["))) => self.bracketed()?,
            _ => self.word("a claim")?,
        }];
        loop {
            if self.takes(".") {
                path.push(self.word("the name of a member")?);
            } else if matches!(self.tokens.peek(), Some((_, Token::Sign("[")))) {
                path.push(self.bracketed()?);
            } else {
                return Ok(path);
            }
        }
    }

    /// `["name"]`.
    fn bracketed(&mut self) -> Result<String, ConditionError> {
        self.expect("[", "[")?;
        let name = match self.require_value()? {
            Value::String(name) => name,
            _ => return Err(self.error_before("a name in quotes")),
        };
        self.expect("]", "]")?;
        Ok(name)
    }

    fn word(&mut self, expected: &'static str) -> Result<String, ConditionError> {
        match self.tokens.next_if(|(_, token)| matches!(token, Token::Word(_))) {
            Some((_, Token::Word(word))) => Ok(word),
            _ => Err(self.error(expected)),
        }
    }

    fn value(&mut self) -> Option<Value> {
        let (_, token) = self.tokens.next_if(|(_, token)| match token {
            Token::Text(_) | Token::Number(_) => true,
            Token::Word(word) => word == "true" || word == "false",
            _ => false,
        })?;
        Some(match token {
            Token::Text(text) => Value::from(text),
            Token::Number(number) => Value::from(number),
            other => Value::from(other == Token::Word("true".into())),
        })
    }

    fn require_value(&mut self) -> Result<Value, ConditionError> {
        self.value().ok_or_else(|| self.error("a text in quotes, a number, true or false"))
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        self.tokens.next_if(|(_, token)| *token == Token::Sign(sign)).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = |token: &Token| matches!(token, Token::Word(found) if found == word);
        self.tokens.next_if(|(_, token)| is_it(token)).is_some()
    }

    fn expect(&mut self, sign: &'static str, expected: &'static str) -> Result<(), ConditionError> {
        if self.takes(sign) { Ok(()) } else { Err(self.error(expected)) }
    }

    /// Something else than the next token was expected.
    fn error(&mut self, expected: &'static str) -> ConditionError {
        let at = self.tokens.peek().map_or(self.text.len(), |(at, _)| *at);
        ConditionError { at, expected }
    }

    /// As [`Parser::error`], for a token that was taken already.
    fn error_before(&mut self, expected: &'static str) -> ConditionError {
        let mut error = self.error(expected);
        error.at = error.at.saturating_sub(1);
        error
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(condition: &str) -> bool {
        let claims = json!({
            "repository": "org/app",
            "ref": "refs/heads/main",
            "environment": null,
            "run_attempt": 2,
            "ref_protected": true,
            "groups": ["dev", "ops"],
            "quoted": "a\"b",
            "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "builder"}},
        });
        Condition::parse(condition).unwrap().holds(&claims)
    }

    #[test]
    fn conditions_that_hold() {
        for condition in [
            r#"repository == "org/app" && ref == "refs/heads/main""#,
            r#"repository=="org/app"&&ref=="refs/heads/main""#,
            r#"ref == "x" || ref like "refs/heads/*""#,
            r#"ref like "*/heads/m*n""#,
            r#"ref like "refs/heads/main""#,
            r#"repository in ["org/other", "org/app"]"#,
            r#""ops" in groups"#,
            r#"!("guests" in groups) && !(repository == "org/other")"#,
            r#"run_attempt == 2 && ref_protected == true"#,
            r#"repository != "org/other""#,
            r#"["kubernetes.io"].namespace == "ci""#,
            r#"["kubernetes.io"]["serviceaccount"].name == "builder""#,
            r#"quoted == "a\"b""#,
            r#"ref == "x" && ref == "y" || repository == "org/app""#,
        ] {
            assert!(holds(condition), "{condition}");
        }
    }

    #[test]
    fn conditions_that_do_not_hold() {
        for condition in [
            r#"repository == "org/app2""#,
            r#"repository == "org/ap""#,
            r#"ref like "refs/heads/""#,
            r#"ref like "heads/*""#,
            r#"ref like "refs/*/main/*""#,
            r#"missing == "x""#,
            r#"missing != "x""#,
            r#"missing like "*""#,
            r#""x" in missing"#,
            r#""org" in repository"#,
            r#"run_attempt == "2""#,
            r#"ref_protected == "true""#,
            r#"repository.name == "org/app""#,
            r#"environment == "null""#,
            r#"repository == "org/app" && (ref == "x" || ref == "y")"#,
        ] {
            assert!(!holds(condition), "{condition}");
        }
    }

    #[test]
    fn texts_of_no_grammar_are_refused() {
        let deep = format!("{}a == 1{}", "(".repeat(10_000), ")".repeat(10_000));
        let nots = format!("{}a == 1", "!".repeat(3000));
        for condition in [
            "",
            "true",
            "repository",
            r#""a" == "a""#,
            "repository == org",
            r#"repository = "org""#,
            r#"repository == "org"#,
            r#"repository == "a" &&"#,
            r#"repository == "a" ref == "b""#,
            r#"(repository == "a""#,
            r#"repository == "a")"#,
            r#"repository like 2"#,
            r#"repository in []"#,
            r#"repository in ["a",]"#,
            "1a == 1",
            "a.1 == 1",
            "🦀 == 1",
            &deep,
            &nots,
        ] {
            assert!(Condition::parse(condition).is_err(), "{condition}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_upsets_the_parser(text in r#"[ a-z0-9.,=!&|()\[\]"\\\PC]{0,200}"#) {
            if let Ok(condition) = Condition::parse(&text) {
                condition.holds(&json!({"a": ["b"], "c": {"d": 1}}));
            }
        }

        #[test]
        fn stars_stand_for_any_text(parts in proptest::collection::vec("[a-c]{0,3}", 1..5)) {
            let pattern = parts.join("*");
            proptest::prop_assert!(is_like(&parts.join(""), &pattern));
            proptest::prop_assert!(is_like(&parts.join("xyz"), &pattern));
        }
    }

    #[test]
    fn an_error_names_the_place() {
        let error = Condition::parse(r#"repository == "a" && ref"#).unwrap_err();
        let message =
            "the condition makes no sense at character 24: ==, !=, like or in was expected";
        assert_eq!(error.to_string(), message);
    }
}
