/// Items that a page has at most, whatever the client asks for.
const MAX_ITEMS: u64 = 1000;

/// One page of a list, and whether the list goes on after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub has_more: bool,
}

/// How many items a page is to have.
#[derive(Clone, Copy)]
pub(super) struct PageSize(u64);

impl PageSize {
    /// What the client asked for, or the most, up to the most.
    pub(super) fn asked(n: Option<u64>) -> Self {
        Self(n.unwrap_or(MAX_ITEMS).min(MAX_ITEMS))
    }

    /// Rows to read: one more than a page has tells whether there are more.
    pub(super) fn rows(self) -> i64 {
        i64::try_from(self.0).expect("a page is small") + 1
    }

    /// The page of the rows that were read. An empty page never goes on
    /// (distribution-spec, "Listing Tags", `n=0`).
    pub(super) fn page<T>(self, mut items: Vec<T>) -> Page<T> {
        let size = usize::try_from(self.0).expect("a page is small");
        let has_more = size > 0 && items.len() > size;
        items.truncate(size);
        Page { items, has_more }
    }
}
