/// How a list that is read page by page is ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By name or digest, in ASCII order.
    #[default]
    Name,
    /// By the time of the last change.
    OldestFirst,
    NewestFirst,
}

/// The item after which a page begins. It need not be there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: String,
    /// When it was last changed; only orders by time need it.
    pub changed_at: i64,
}

impl Order {
    /// Where the first page begins.
    pub(super) fn beginning(self) -> Place {
        let changed_at = if self == Self::NewestFirst { i64::MAX } else { i64::MIN };
        Place { name: String::new(), changed_at }
    }

    pub fn is_by_time(self) -> bool {
        self != Self::Name
    }

    /// The SQL condition for items after a place: its name is `$2`, its time `$4`.
    pub(super) fn after(self, name: &str, time: &str) -> String {
        match self {
            Self::Name => format!("{name} > $2"),
            Self::OldestFirst => format!("({time}, {name}) > ($4, $2)"),
            Self::NewestFirst => format!("({time}, {name}) < ($4, $2)"),
        }
    }

    pub(super) fn by(self, name: &str, time: &str) -> String {
        match self {
            Self::Name => name.to_owned(),
            Self::OldestFirst => format!("{time}, {name}"),
            Self::NewestFirst => format!("{time} DESC, {name} DESC"),
        }
    }
}
