//! The kinds of bounds, and what is said of a value beyond one.

use std::fmt;

use crate::Duration;
use crate::address::advice::refusal;

/// What a value may be.
pub trait Limit<T> {
    /// What is wrong with `value` and what is allowed; none if it may stand.
    fn refusal(&self, value: &T) -> Option<String>;
}

/// A number or a duration: what a [`Range`] can be of.
pub trait Ordered: Copy + PartialOrd + fmt::Display {
    /// Writes a range into the schema of a field that has to lie in it.
    #[cfg(feature = "crd")]
    fn describe(range: Range<Self>, schema: &mut schemars::Schema);
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Ordered for $number {
            #[cfg(feature = "crd")]
            fn describe(range: Range<Self>, schema: &mut schemars::Schema) {
                schema.insert("minimum".to_owned(), range.min.into());
                schema.insert("maximum".to_owned(), range.max.into());
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, f64);

impl Ordered for Duration {
    #[cfg(feature = "crd")]
    fn describe(range: Range<Self>, schema: &mut schemars::Schema) {
        let Range { min, max } = range;
        let said = out_of_range("", range);
        let rule = serde_json::json!([{
            "rule": format!("duration(self) >= duration('{min}') && duration(self) <= duration('{max}')"),
            "messageExpression": format!("self + '{said}'"),
            "message": said.trim_start_matches(" is "),
        }]);
        schema.insert("x-kubernetes-validations".to_owned(), rule);
    }
}

/// From the least to the greatest value, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<T> {
    /// The least.
    pub min: T,
    /// The greatest.
    pub max: T,
}

impl<T> Range<T> {
    /// From `min` to `max`.
    pub const fn new(min: T, max: T) -> Self {
        Self { min, max }
    }
}

impl<T: fmt::Display> fmt::Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

impl<T: Ordered> Limit<T> for Range<T> {
    fn refusal(&self, value: &T) -> Option<String> {
        let holds = *value >= self.min && *value <= self.max;
        (!holds).then(|| out_of_range(value, self))
    }
}

/// How many characters a text, or how many elements a list, may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The fewest.
    pub min: usize,
    /// The most; `usize::MAX` is any number.
    pub max: usize,
}

impl Size {
    /// From `min` to `max`.
    pub const fn new(min: usize, max: usize) -> Self {
        Self { min, max }
    }

    /// From none to `max`.
    pub const fn up_to(max: usize) -> Self {
        Self::new(0, max)
    }

    /// From `min` on.
    pub const fn at_least(min: usize) -> Self {
        Self::new(min, usize::MAX)
    }

    /// What is wrong with `n` of what `unit` names.
    pub(crate) fn refusal_of(self, n: usize, unit: &str) -> Option<String> {
        (n < self.min || n > self.max).then(|| format!("has {n} {unit}; allowed is {self}"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.max {
            usize::MAX => write!(f, "{} or more", self.min),
            max => write!(f, "{} to {max}", self.min),
        }
    }
}

impl Limit<String> for Size {
    fn refusal(&self, text: &String) -> Option<String> {
        self.refusal_of(text.chars().count(), "characters")
    }
}

impl<T> Limit<Vec<T>> for Size {
    fn refusal(&self, list: &Vec<T>) -> Option<String> {
        self.refusal_of(list.len(), "elements")
    }
}

/// What a text has to look like.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The regular expression that schemas carry.
    pub pattern: &'static str,
    /// What such a text is called, and an example.
    pub words: &'static str,
    /// Whether a text is of this form. All such texts match `pattern`.
    pub matches: fn(&str) -> bool,
    /// What is wrong with a text of another form, and what to write; empty if `words` say it all.
    pub advice: fn(&str) -> String,
}

impl Form {
    /// What is said of a text of another form.
    pub(crate) fn said_of(&self, text: &str) -> String {
        refusal(text, self.words, &(self.advice)(text))
    }
}

impl Limit<String> for Form {
    fn refusal(&self, text: &String) -> Option<String> {
        (!(self.matches)(text)).then(|| self.said_of(text))
    }
}

/// How long a text may be, and what it has to look like.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Characters.
    pub size: Size,
    /// The form.
    pub form: Form,
}

impl Limit<String> for Text {
    fn refusal(&self, text: &String) -> Option<String> {
        self.size.refusal(text).or_else(|| self.form.refusal(text))
    }
}

/// How many elements a list may have, and what each may be.
#[derive(Debug, Clone, Copy)]
pub struct List<L> {
    /// Elements.
    pub size: Size,
    /// Each of them.
    pub each: L,
}

/// What is absent is within every limit.
impl<T, L: Limit<T>> Limit<Option<T>> for L {
    fn refusal(&self, value: &Option<T>) -> Option<String> {
        self.refusal(value.as_ref()?)
    }
}

/// What is said of a number or duration.
pub(crate) fn out_of_range(value: impl fmt::Display, allowed: impl fmt::Display) -> String {
    format!("{value} is out of range; allowed is {allowed}")
}

/// What is said of a text.
#[cfg(feature = "crd")]
pub(crate) fn wrong_form(text: &str, words: &str) -> String {
    format!("{text:?} is not {words}")
}
