//! The language of rules by example, and against cel's own interpreter.

use super::eval::{Val, verdict};
use super::*;
use crate::model::FileId;
use cel::{Context, Env, Program};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HERE: Place = Place { file: FileId(0), line: 1, column: 1 };

fn vocabulary() -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    vocabulary.add("department", &Value::Text("platform".into()));
    vocabulary.add("title", &Value::Text("Engineer".into()));
    vocabulary.add("level", &Value::Number(3));
    vocabulary.add("remote", &Value::Flag(true));
    vocabulary.add("skills", &Value::List(vec!["rust".into()]));
    vocabulary
}

/// The first mistake as `code: message / what is underlined / help`.
fn mistake(text: &str) -> String {
    let errors = compile(text, HERE, &vocabulary()).expect_err(text);
    let error = &errors[0];
    let under: String = text.chars().skip(error.offset).take(error.len).collect();
    format!("{}: {} / {} / {}", error.code, error.message, under, error.help.join("; "))
}

#[test]
fn the_rules_of_the_design_compile() {
    for text in [
        r#"person.department == "platform" && person.kind == "employee""#,
        r#"person.kind == "contractor""#,
        r#"person.department in ["a", "b"] || !(person.level >= -3) && "rust" in person.skills"#,
        r#"has(person.company) ? person.company.lowerAscii().startsWith("ini") : person.remote"#,
        "size(person.skills) > 1 && person.title.size() < 9 && person.level in [1, -2]",
    ] {
        compile(text, HERE, &vocabulary()).expect(text);
    }
}

#[test]
fn a_mistake_underlines_what_is_wrong_and_says_what_to_write() {
    for (text, wanted) in [
        (
            r#"person.title == "é" || person.departmnet == "x""#,
            "unknown-attribute: no person has an attribute `departmnet` / person.departmnet / did you mean `person.department`?",
        ),
        (
            r#"department == "x""#,
            "unknown-attribute: nothing is called `department` in a rule / department / write `person.department`",
        ),
        (
            "person.department == 3",
            "unlike-types: unlike types are compared: text with a number / person.department == 3 / numbers are written without quotes, texts with",
        ),
        (
            r#"person.skills == "rust""#,
            "unlike-types: unlike types are compared: a list of texts with text / person.skills == \"rust\" / ask a list with `in`, `\"x\" in person.skills`",
        ),
        (
            "person.department",
            "unlike-types: a rule answers true or false; this is text / person.department / compare it with something, `== \"…\"`",
        ),
        (
            r#"person.title.startWith("x")"#,
            "unknown-function: there is no function `startWith` in a rule / person.title.startWith(\"x\" / did you mean `startsWith`?",
        ),
        (
            r#"person.title.matches("x")"#,
            "rule-unsupported: rules have no regular expressions / person.title.matches(\"x\" / use `startsWith`, `endsWith`, `contains` or `in`",
        ),
        (
            r#"person.skills.exists(s, s == "rust")"#,
            "rule-unsupported: rules have no loops (`all`, `exists`, `map`, `filter`) / person.skills.exists( / ask a list for a text, `\"x\" in person.skills`",
        ),
        (
            "person.level + 1 > 3",
            "rule-unsupported: rules compare, they do not calculate (`+`) / person.level + 1 / write the result",
        ),
        (
            r#""é" == "é" && person.department = "x""#,
            "rule-syntax: the rule is not CEL: `=` is not in the language of rules (character 33) / = / one `=` is no comparison: write `==`",
        ),
    ] {
        assert_eq!(mistake(text), wanted, "{text}");
    }
}

#[test]
fn what_is_no_rule_is_told_in_a_sentence_with_its_place() {
    for (text, wanted) in [
        (
            "department is platform",
            "rule-syntax: the rule is not CEL: `is` does not belong here (character 12) / is / a rule reads `person.department == \"platform\" && person.kind == \"employee\"`",
        ),
        (
            r#"(person.department == "x""#,
            "rule-syntax: the rule is not CEL: `)` is missing at the end / \" / a rule reads `person.department == \"platform\" && person.kind == \"employee\"`",
        ),
        (
            "person.department ==",
            "rule-syntax: the rule is not CEL: it ends where something more is expected / = / a rule reads `person.department == \"platform\" && person.kind == \"employee\"`",
        ),
        (
            r#"person.department == "x"#,
            "rule-syntax: the rule is not CEL: a text that begins at character 22 is not closed / \" / a rule reads `person.department == \"platform\" && person.kind == \"employee\"`",
        ),
        (
            r#"person.department == "x" person.kind"#,
            "rule-syntax: the rule is not CEL: `person` does not belong here (character 26) / person / a rule reads `person.department == \"platform\" && person.kind == \"employee\"`",
        ),
        (
            r#"person.department in ["x" "y"]"#,
            "rule-syntax: the rule is not CEL: `\"y\"` does not belong here (character 27) / \"y\" / a rule reads `person.department == \"platform\" && person.kind == \"employee\"`",
        ),
    ] {
        assert_eq!(mistake(text), wanted, "{text}");
    }
}

#[test]
fn every_mistake_is_told_at_once_in_the_order_of_the_text() {
    let errors = compile(r#"person.a == "x" && person.b == "y""#, HERE, &vocabulary()).unwrap_err();
    assert_eq!(errors.iter().map(|e| (e.offset, e.len)).collect::<Vec<_>>(), [(0, 8), (19, 8)]);
}

#[test]
fn a_rule_over_its_budget_is_refused_with_the_numbers() {
    let long = format!("person.key == \"{}\"", "x".repeat(MAX_LENGTH));
    assert!(mistake(&long).starts_with("rule-too-large: the rule has 2064 characters; 2048 are allowed"));
    let wide = vec!["1==1"; 200].join("||");
    assert!(mistake(&wide).starts_with("rule-too-large: the rule has 799 parts; 400 are allowed"));
    let deep = format!("{}true{}", "(".repeat(40), ")".repeat(40));
    assert!(
        mistake(&deep).starts_with("rule-too-large: the rule is nested deeper than 32 levels"),
        "{}",
        mistake(&deep)
    );
}

#[test]
fn no_rule_is_deep_enough_to_end_the_stack() {
    for text in [
        "(".repeat(1000),
        "!".repeat(2000),
        "-".repeat(2000),
        "[".repeat(1000),
        "person.a".to_owned() + &".a".repeat(1000),
        "1".to_owned() + &"+1".repeat(1000),
        "true".to_owned() + &"==true".repeat(300),
        "true".to_owned() + &"?true:true".repeat(200),
        "size(".repeat(400),
        "\"\".size()".to_owned() + &".size()".repeat(200),
        "a(b(c".repeat(400),
        "{1:".repeat(500),
    ] {
        compile(&text, HERE, &vocabulary()).expect_err(&text);
    }
}

/// Attribute values of one person, for both interpreters.
type Values = BTreeMap<&'static str, Value>;

fn ours(rule: &Rule, values: &Values) -> Verdict {
    verdict(&rule.node, &|n| values.get(rule.reads()[usize::from(n)].as_ref()).map(|v| Val::from(Attribute::Free(v))))
}

fn theirs(text: &str, values: &Values) -> Verdict {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings).unwrap();
    let env = std::sync::Arc::new(env);
    let program: Program = env.compile(text).unwrap();
    let mut context = Context::with_env(env);
    let person: Vec<(cel::objects::Key, cel::Value)> = values
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Text(text) => cel::Value::from(text.as_ref()),
                Value::Number(number) => cel::Value::from(*number),
                Value::Flag(flag) => cel::Value::from(*flag),
                Value::List(list) => cel::Value::from(list.iter().map(ToString::to_string).collect::<Vec<_>>()),
            };
            ((*name).into(), value)
        })
        .collect();
    let map = cel::objects::Map { map: std::sync::Arc::new(person.into_iter().collect()) };
    context.add_variable_from_value("person", cel::Value::Map(map));
    match program.execute(&context) {
        Ok(cel::Value::Bool(true)) => Verdict::Yes,
        Ok(cel::Value::Bool(false)) => Verdict::No,
        _ => Verdict::Unknown,
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("person.department".to_owned()),
        Just("person.title".to_owned()),
        Just("\"platform\"".to_owned()),
        Just("\"Plät\"".to_owned()),
        Just("\"\"".to_owned()),
        Just("person.title.lowerAscii()".to_owned()),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("person.level".to_owned()),
        (-3i64..4).prop_map(|n| n.to_string()),
        text().prop_map(|t| format!("size({t})")),
        Just("person.skills.size()".to_owned()),
    ]
}

fn flag() -> impl Strategy<Value = String> {
    let order = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("person.remote".to_owned()),
        prop_oneof!["department", "title", "level", "remote", "skills"].prop_map(|a| format!("has(person.{a})")),
        (text(), order.clone(), text()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (number(), order, number()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        (text(), prop_oneof!["startsWith", "endsWith", "contains"], text())
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
        text().prop_map(|t| format!("{t} in person.skills")),
        text().prop_map(|t| format!("{t} in [\"platform\", \"x\"]")),
        number().prop_map(|n| format!("{n} in [1, 2, -1]")),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn values() -> impl Strategy<Value = Values> {
    let word = prop_oneof![Just("platform"), Just("Plät"), Just("x"), Just("")];
    let texts = |name: &'static str| {
        proptest::option::of(word.clone()).prop_map(move |v| v.map(|v| (name, Value::Text(v.into()))))
    };
    (
        texts("department"),
        texts("title"),
        proptest::option::of(-3i64..4).prop_map(|v| v.map(|v| ("level", Value::Number(v)))),
        proptest::option::of(any::<bool>()).prop_map(|v| v.map(|v| ("remote", Value::Flag(v)))),
        proptest::option::of(proptest::collection::vec(word, 0..3))
            .prop_map(|v| v.map(|v| ("skills", Value::List(v.into_iter().map(Into::into).collect())))),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].into_iter().flatten().collect())
}

/// 1,000 cases, or as many as `PROPTEST_CASES` says.
fn cases() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let unset = config.cases == 256;
    ProptestConfig { cases: if unset { 1000 } else { config.cases }, ..config }
}

proptest! {
    #![proptest_config(cases())]

    /// The two interpreters agree wherever no type is mixed; what is an error there is unknown here.
    #[test]
    fn rules_mean_what_cel_says(text in flag(), values in values()) {
        let rule = compile(&text, HERE, &vocabulary()).map_err(|e| TestCaseError::fail(format!("{text}: {e:?}")))?;
        prop_assert_eq!(ours(&rule, &values), theirs(&text, &values), "{} on {:?}", text, values);
    }

    /// Whatever is written, the answer is a rule or an error whose place lies in the text.
    #[test]
    fn no_text_breaks_the_compiler(text in "[ -~éß\n]{0,60}|(person|[.()!&|=<>?:\"'0-9a-z ,\\[\\]{}-]|in|has){0,40}") {
        if let Err(errors) = compile(&text, HERE, &vocabulary()) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(error.len >= 1 && error.offset + error.len <= text.chars().count().max(1), "{:?}", error);
            }
        }
    }
}
