//! Lists that nearly always have one element.
//!
//! Comes in: elements. Goes out: the same as a slice. Refuses: growing; a list is
//! made once. A million people have one period and one position each, and a million
//! entries name one person: none of them needs an allocation of its own.

use std::ops::{Deref, DerefMut};

/// A list that holds a single element in itself.
#[derive(Debug, Clone)]
pub struct Few<T>(Held<T>);

#[derive(Debug, Clone)]
enum Held<T> {
    One(T),
    /// None, or more than one.
    Several(Box<[T]>),
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T> Few<T> {
    /// One element.
    pub fn one(element: T) -> Self {
        Self(Held::One(element))
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut list: Vec<T>) -> Self {
        Self(match list.pop() {
            Some(only) if list.is_empty() => Held::One(only),
            popped => {
                list.extend(popped);
                Held::Several(list.into())
            }
        })
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(list: I) -> Self {
        list.into_iter().collect::<Vec<_>>().into()
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Held::One(one) => std::slice::from_ref(one),
            Held::Several(list) => list,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Held::One(one) => std::slice::from_mut(one),
            Held::Several(list) => list,
        }
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_any_length_reads_the_same() {
        for length in 0..4 {
            let list: Vec<u8> = (0..length).collect();
            let mut few = Few::from(list.clone());
            assert_eq!((&*few, few.len()), (&*list, list.len()));
            assert_eq!(matches!(few.0, Held::One(_)), length == 1);
            few.iter_mut().for_each(|n| *n += 1);
            assert_eq!(few, list.iter().map(|n| n + 1).collect());
        }
        assert_eq!(Few::one(7), vec![7].into());
    }
}
