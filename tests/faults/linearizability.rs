//! Whether what concurrent clients saw could come of doing their operations one at a time, each at
//! some moment between its request and its answer: the search of Wing and Gong, which remembers
//! where it was (Lowe, "Testing for linearizability").

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What one object is, and does.
pub trait Model: Clone + Eq + Hash {
    type Input: Clone + Debug;
    type Output: Clone + Debug + PartialEq;

    /// Everything that doing this now may answer, and what the object is afterwards.
    fn outcomes(&self, input: &Self::Input) -> Vec<(Self::Output, Self)>;
}

#[derive(Clone, Debug)]
pub struct Operation<I, O> {
    pub input: I,
    /// None, if no answer came: then it may be done at any time later, or never.
    pub output: Option<O>,
    /// Nanoseconds.
    pub called: u64,
    pub returned: u64,
}

/// Operations on one object, at most 128 of them so that a number holds a set.
pub fn is_linearizable<M: Model>(start: M, history: &[Operation<M::Input, M::Output>]) -> bool {
    assert!(history.len() <= 128, "the history is too long");
    let mut seen = HashSet::new();
    let mut open = vec![(0_u128, start)];
    while let Some((done, state)) = open.pop() {
        let left = || history.iter().enumerate().filter(|(n, _)| done & (1 << n) == 0);
        let answered = left().filter(|(_, operation)| operation.output.is_some());
        // Whatever comes next was called before any of the others had returned.
        let Some(first_return) = answered.map(|(_, operation)| operation.returned).min() else {
            return true;
        };
        for (n, operation) in left().filter(|(_, operation)| operation.called <= first_return) {
            for (output, after) in state.outcomes(&operation.input) {
                let next = (done | 1 << n, after);
                let fits = operation.output.as_ref().is_none_or(|seen| *seen == output);
                if fits && seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds a number; a write answers nothing.
    impl Model for u8 {
        type Input = Option<u8>;
        type Output = Option<u8>;

        fn outcomes(&self, input: &Self::Input) -> Vec<(Self::Output, Self)> {
            match input {
                None => vec![(Some(*self), *self)],
                Some(written) => vec![(None, *written)],
            }
        }
    }

    fn write(value: u8, called: u64, returned: u64) -> Operation<Option<u8>, Option<u8>> {
        Operation { input: Some(value), output: Some(None), called, returned }
    }

    fn read(value: u8, called: u64, returned: u64) -> Operation<Option<u8>, Option<u8>> {
        Operation { input: None, output: Some(Some(value)), called, returned }
    }

    #[test]
    fn what_overlaps_may_come_in_any_order() {
        assert!(is_linearizable(0, &[write(1, 0, 10), read(0, 1, 2), read(1, 3, 4)]));
        assert!(is_linearizable(0, &[write(1, 0, 10), write(2, 0, 10), read(1, 11, 12)]));
        assert!(is_linearizable(0, &[write(1, 0, 10), write(2, 0, 10), read(2, 11, 12)]));
    }

    #[test]
    fn what_came_before_stays_before() {
        // An old value after a new one, though the write is still going on.
        assert!(!is_linearizable(0, &[write(1, 0, 10), read(1, 1, 2), read(0, 3, 4)]));
        // A write that was lost.
        assert!(!is_linearizable(0, &[write(1, 0, 1), write(2, 2, 3), read(1, 4, 5)]));
        // A value that nobody wrote.
        assert!(!is_linearizable(0, &[write(1, 0, 1), read(3, 2, 3)]));
        // Two readers who disagree on the order.
        let both = [write(1, 0, 9), write(2, 0, 9)];
        let reads = [read(1, 10, 11), read(2, 12, 13)];
        assert!(!is_linearizable(0, &[both.as_slice(), &reads].concat()));
    }

    #[test]
    fn what_was_never_answered_may_be_done_or_not() {
        let unanswered = Operation { output: None, returned: u64::MAX, ..write(1, 0, 0) };
        assert!(is_linearizable(0, &[unanswered.clone(), read(0, 5, 6)]));
        assert!(is_linearizable(0, &[unanswered.clone(), read(0, 5, 6), read(1, 7, 8)]));
        assert!(!is_linearizable(0, &[unanswered, read(1, 5, 6), read(0, 7, 8)]));
    }
}
