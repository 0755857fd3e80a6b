//! Colour, where a person reads and has not asked to be spared of it (<https://no-color.org>).

use std::io::IsTerminal;

const BOLD: &str = "1";
const RED: &str = "31";

pub fn bold(text: &str, stream: &impl IsTerminal) -> String {
    styled(BOLD, text, is_wanted(stream))
}

pub fn red(text: &str, stream: &impl IsTerminal) -> String {
    styled(RED, text, is_wanted(stream))
}

fn is_wanted(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn styled(style: &str, text: &str, is_wanted: bool) -> String {
    if is_wanted { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_left_out_where_nobody_wants_it() {
        assert_eq!(styled(RED, "x", false), "x");
        assert_eq!(styled(RED, "x", true), "\x1b[31mx\x1b[0m");
    }
}
