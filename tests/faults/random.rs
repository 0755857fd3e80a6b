//! Random choices that can be made again.

use std::fmt::Debug;
use std::str::FromStr;

/// SplitMix64: small, and the same on every machine and in every version.
pub struct Random(u64);

impl Random {
    /// From `ORLOP_TORTURE_SEED`, or by chance; prints what it is.
    pub fn start() -> Self {
        let seed = setting("ORLOP_TORTURE_SEED", rand::random());
        println!("to replay: ORLOP_TORTURE_SEED={seed}");
        Self(seed)
    }

    /// Another sequence, which follows from this one.
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `end`, which is not 0, without it.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// A number from the environment, such as how many rounds a long form has.
pub fn setting<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|error| panic!("{name}={text} is no number: {error:?}"))
    })
}
