//! JSON Schema (draft 7) of a policy file, for editors.
//!
//! Comes in: the written types, and the names of a checked policy where there is
//! one. Goes out: a schema that completes known names and still allows others,
//! because a person may be added to the file that is being written. Refuses: to be
//! the judge: the loader is stricter (equal keys, empty values, unknown names).

use super::Policy;
use super::written::File;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Marks a text that names something, with what; replaced by completions.
const NAMES: &str = "x-accord-names";
/// Marks a list of such texts.
const ITEMS: &str = "x-accord-items";

/// The schema; with the names of `known` as completions.
pub fn schema(known: Option<&Policy>) -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<File>().to_value();
    mark_settings(&mut schema);
    complete(&mut schema, &Known::new(known));
    schema
}

/// Some texts cannot carry a mark where they are declared (keys, items, the values of
/// variants); which of those name something is said here.
fn mark_settings(schema: &mut Value) {
    let mut insert = |pointer: &str, key: &str, value: Value| {
        if let Some(Value::Object(object)) = schema.pointer_mut(pointer) {
            object.insert(key.to_owned(), value);
        }
    };
    let names = json!({ "type": "string", NAMES: "groups" });
    insert("/definitions/Guardrails/properties/minimum_members", "propertyNames", names);
    insert("/definitions/DirectorySettings/properties/after", ITEMS, json!("directories"));
    insert("/definitions/Holding/oneOf/0/properties/role", NAMES, json!("roles"));
    insert("/definitions/Holding/oneOf/1/properties/group", NAMES, json!("groups"));
}

/// Names by what they name.
struct Known(Map<String, Value>);

impl Known {
    fn new(policy: Option<&Policy>) -> Self {
        let Some(policy) = policy else { return Self(Map::new()) };
        let group = |g: &super::Group| {
            let directory = policy.directories.get(usize::from(g.directory.0)).map_or("", |d| d.name.as_ref());
            format!("{directory}/{}", g.name)
        };
        let mut names = Map::new();
        let mut add = |what: &str, list: Vec<String>| {
            if !list.is_empty() {
                names.insert(what.to_owned(), json!(list));
            }
        };
        add("people", policy.people.iter().map(|p| p.key.to_string()).collect());
        add("roles", policy.roles.iter().map(|r| r.key.to_string()).collect());
        add("groups", policy.groups.iter().map(group).collect());
        add("kinds", policy.kinds.iter().map(|k| k.name.to_string()).collect());
        add("labels", policy.labels.iter().map(ToString::to_string).collect());
        add("directories", policy.directories.iter().map(|d| d.name.to_string()).collect());
        Self(names)
    }

    /// What to add to a text: a list of names that rejects no other.
    fn of(&self, what: &Value) -> Option<Value> {
        let names = self.0.get(what.as_str()?)?;
        Some(json!([{ "enum": names }, { "type": ["string", "integer"] }]))
    }
}

/// Replaces every mark below `value`.
fn complete(value: &mut Value, known: &Known) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| complete(item, known)),
        Value::Object(object) => {
            if let Some(what) = object.remove(ITEMS)
                && let Some(Value::Object(items)) = object.get_mut("items")
            {
                items.insert(NAMES.to_owned(), what);
            }
            if let Some(any_of) = object.remove(NAMES).and_then(|what| known.of(&what)) {
                object.insert("anyOf".to_owned(), any_of);
            }
            object.values_mut().for_each(|inner| complete(inner, known));
        }
        _ => {}
    }
}
