//! How a server is found and how the connection to it is protected: the settings that
//! have more than one written form.
//!
//! Comes in: YAML through serde. Goes out: settings, JSON Schema. Refuses: secret values
//! (a key can only be referred to), and words that mean nothing.

use super::settings::SecretRef;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// URLs of one directory's servers, in the order in which they are tried. Written as one
/// text, in which spaces separate them, or as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls(pub Vec<String>);

impl Urls {
    /// One URL after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Urls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UrlsVisitor)
    }
}

struct UrlsVisitor;

impl<'de> Visitor<'de> for UrlsVisitor {
    type Value = Urls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL or a list of URLs")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Urls, E> {
        Ok(Urls(text.split_whitespace().map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Urls, A::Error> {
        let mut list = Vec::new();
        while let Some(url) = seq.next_element()? {
            list.push(url);
        }
        Ok(Urls(list))
    }
}

impl Serialize for Urls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [one] = self.0.as_slice() {
            return serializer.serialize_str(one);
        }
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for url in &self.0 {
            list.serialize_element(url)?;
        }
        list.end()
    }
}

impl JsonSchema for Urls {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Urls".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }],
        })
    }
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// StartTLS on `ldap://`, TLS on `ldaps://`; the certificate is verified.
    Required,
    /// No TLS on `ldap://`.
    None,
    /// As `Required`, and accord shows a certificate of its own.
    Certificate(ClientCertificate),
}

/// A certificate by which accord proves who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// PEM file inside the repository: the certificate, then those between it and the authority.
    pub cert: String,
    /// Where its private key is: PEM text, not encrypted.
    pub key: SecretRef,
}

impl Tls {
    /// The certificate that accord shows, if it has one.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        if let Self::Certificate(certificate) = self { Some(certificate) } else { None }
    }
}

impl<'de> Deserialize<'de> for Tls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TlsVisitor)
    }
}

struct TlsVisitor;

impl<'de> Visitor<'de> for TlsVisitor {
    type Value = Tls;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`required`, `none` or `{ cert: FILE, key: { file: NAME } }`")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Tls, E> {
        match word {
            "required" => Ok(Tls::Required),
            "none" => Ok(Tls::None),
            other => Err(E::unknown_variant(other, &["required", "none"])),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tls, A::Error> {
        ClientCertificate::deserialize(MapAccessDeserializer::new(map)).map(Tls::Certificate)
    }
}

impl Serialize for Tls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Required => serializer.serialize_str("required"),
            Self::None => serializer.serialize_str("none"),
            Self::Certificate(certificate) => certificate.serialize(serializer),
        }
    }
}

impl JsonSchema for Tls {
    fn schema_name() -> Cow<'static, str> {
        "Tls".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "How a connection is protected.",
            "anyOf": [
                {
                    "const": "required",
                    "description": "StartTLS on `ldap://`, TLS on `ldaps://`; the certificate is verified.",
                },
                { "const": "none", "description": "No TLS on `ldap://`." },
                generator.subschema_for::<ClientCertificate>(),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn urls_are_one_text_or_a_list_and_mean_the_same() {
        let list: Urls = from_value(json!(["ldaps://a", "ldaps://b"])).unwrap();
        assert_eq!(from_value::<Urls>(json!(" ldaps://a  ldaps://b")).unwrap(), list);
        assert_eq!(to_value(&list).unwrap(), json!(["ldaps://a", "ldaps://b"]));
        let one: Urls = from_value(json!(["ldaps://a"])).unwrap();
        assert_eq!(to_value(&one).unwrap(), json!("ldaps://a"));
        assert!(from_value::<Urls>(json!({ "a": 1 })).is_err());
    }

    #[test]
    fn tls_is_a_word_or_a_certificate_and_is_written_as_it_was() {
        let table = json!({ "cert": "certs/accord.pem", "key": { "file": "accord.key" } });
        for value in [json!("required"), json!("none"), table] {
            let tls: Tls = from_value(value.clone()).unwrap();
            assert_eq!(to_value(&tls).unwrap(), value);
        }
        let wrong = from_value::<Tls>(json!("off")).unwrap_err().to_string();
        assert!(wrong.contains("`off`") && wrong.contains("`none`"), "{wrong}");
        assert!(from_value::<Tls>(json!({ "cert": "x" })).unwrap_err().to_string().contains("key"));
        assert!(from_value::<Tls>(json!({ "cert": "x", "key": "secret" })).is_err());
    }
}
