//! The values that an account carries.
//!
//! Comes in: a person, one position, which account, where a value comes from. Goes out:
//! the values. Refuses: another's account (that is a name in the directory, not a value of
//! this person), and half a template: where a word is missing there is no value.

use crate::policy::rule::attribute;
use crate::policy::settings::AttributeSource;
use crate::policy::{Label, Person, Policy, Position, Value};
use std::borrow::Cow;

/// An account, for the values that it carries.
pub(super) struct Whose<'p> {
    pub(super) policy: &'p Policy,
    pub(super) person: &'p Person,
    pub(super) position: &'p Position,
    /// Its name.
    pub(super) account: &'p str,
    pub(super) label: Label,
}

impl<'p> Whose<'p> {
    /// The values of one attribute.
    pub(super) fn values(&self, source: &AttributeSource) -> Vec<Cow<'p, str>> {
        match source {
            AttributeSource::Person(name) => self.value(name),
            AttributeSource::Template(template) => {
                let text = template.text(self.label.is_second()).and_then(|text| self.filled(text));
                text.map(Cow::Owned).into_iter().collect()
            }
            // Another's account is no value of this person.
            AttributeSource::Account { .. } => Vec::new(),
        }
    }

    fn value(&self, name: &str) -> Vec<Cow<'p, str>> {
        use crate::policy::rule::Attribute::{Fixed, Free};
        match name {
            "account" => return vec![Cow::Borrowed(self.account)],
            "label" if self.label.is_second() => {
                return self.policy.label(self.label).map(Cow::Borrowed).into_iter().collect();
            }
            _ => {}
        }
        match attribute(self.policy, self.person, self.position, name) {
            None => Vec::new(),
            Some(Fixed(text)) => vec![Cow::Borrowed(text)],
            Some(Free(Value::Text(text))) => vec![Cow::Borrowed(text)],
            Some(Free(Value::Number(number))) => vec![Cow::Owned(number.to_string())],
            // RFC 4517 §3.3.3, Boolean.
            Some(Free(Value::Flag(flag))) => vec![Cow::Borrowed(if *flag { "TRUE" } else { "FALSE" })],
            Some(Free(Value::List(list))) => list.iter().map(|text| Cow::Borrowed(text.as_ref())).collect(),
        }
    }

    /// A template with its words in braces replaced; `None` if the person, or the account,
    /// lacks one.
    fn filled(&self, template: &str) -> Option<String> {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else { break };
            out.push_str(before);
            out.push_str(self.value(name).first()?);
            rest = tail;
        }
        out.push_str(rest);
        Some(out)
    }
}
