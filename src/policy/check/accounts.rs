//! Where a directory's accounts and groups are and what they carry.
//!
//! Comes in: `accounts` and `groups` of a directory. Goes out: who gets an account.
//! Refuses: missing bases, attributes that hold credentials, sources that no person
//! has, classes that cannot be.

use super::directories::Spot;
use super::{Checker, connection, labels, rules, words};
use crate::diagnostic::Diagnostic;
use crate::policy::settings::{
    AccountManage, AccountSettings, AccountsFor, AttributeSource, DirectorySettings, GroupClass, GroupSettings,
    Nesting, ProviderKind,
};
use crate::policy::{RuleId, date};

/// The attribute that carries the account name where nothing is written.
const MATCH: &str = "uid";

/// What the rules of a directory's accounts became.
pub(super) struct Rules {
    pub(super) accounts_for: AccountsFor,
    pub(super) bases: Vec<Option<RuleId>>,
}

pub(super) fn check(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) -> Rules {
    let accounts = &settings.accounts;
    let bases = if accounts.bases.is_empty() {
        base(checker, spot, "accounts", accounts.base.as_deref(), "ou=people,dc=example,dc=com");
        Vec::new()
    } else {
        bases(checker, spot, accounts)
    };
    base(checker, spot, "groups", settings.groups.base.as_deref(), "ou=groups,dc=example,dc=com");
    single_attributes(checker, spot, accounts);
    mapping(checker, spot, settings);
    classes(checker, spot, "accounts", &accounts.object_classes);
    groups(checker, spot, &settings.groups);
    if let Some(secret) = &accounts.initial_password {
        connection::secret(checker, spot, &["accounts", "initial_password"], secret);
    }
    if let Some(disable) = &accounts.disable
        && disable.enabled.as_ref() == Some(&disable.disabled)
    {
        let diagnostic =
            Diagnostic::error("contradiction", "an enabled and a disabled account would have the same value");
        spot.report(checker, &["accounts", "disable"], diagnostic);
    }
    create_before(checker, spot, accounts);
    Rules { accounts_for: who(checker, spot, accounts), bases }
}

/// Several bases: each a DN, each but the last with a rule.
fn bases(checker: &mut Checker<'_>, spot: Spot<'_>, accounts: &AccountSettings) -> Vec<Option<RuleId>> {
    let keys = ["accounts", "bases"];
    if accounts.base.is_some() {
        let diagnostic = Diagnostic::error("contradiction", "`base` and `bases` both say where accounts are");
        spot.report_key(
            checker,
            &["accounts", "base"],
            diagnostic.help("write it as the last of `bases`, without `where`"),
        );
    }
    let last = accounts.bases.len().saturating_sub(1);
    let mut rules = Vec::with_capacity(accounts.bases.len());
    for (n, one) in accounts.bases.iter().enumerate() {
        if let Some(why) = words::bad_dn(&one.base) {
            let message = format!("`{}` is no distinguished name: {why}", one.base.escape_debug());
            spot.report(checker, &keys, Diagnostic::error("bad-dn", message));
        }
        if let Some(word) = &one.account {
            label(checker, spot, word);
        }
        let narrows = one.rule.is_some() || one.account.is_some();
        let diagnostic = match (narrows, n == last) {
            (true, true) => {
                Diagnostic::error("missing-setting", "nobody said where the accounts of everybody else are")
                    .help("end `bases` with one that has neither `where` nor `account`: `- { base: \"ou=people,dc=example,dc=com\" }`")
            }
            (false, false) => Diagnostic::error(
                "unreachable",
                format!("what comes after `{}` is never chosen: it has neither `where` nor `account`", one.base),
            )
            .help("put the base of everybody else last"),
            _ => {
                let mark = spot.mark_of(checker, &keys);
                let rule = one.rule.as_ref().map(|text| rules::compile_at(checker, spot.file, text, mark));
                rules.push(rule.flatten());
                continue;
            }
        };
        spot.report(checker, &keys, diagnostic);
    }
    rules
}

/// A label that nobody has: perhaps not yet, perhaps misspelt.
fn label(checker: &mut Checker<'_>, spot: Spot<'_>, word: &str) {
    if labels::of(checker, word).is_second() {
        return;
    }
    let known: Vec<&str> = checker.meant.labels.iter().map(AsRef::as_ref).collect();
    let message = format!("nobody has a second account `{}`: no account stands below that base", word.escape_debug());
    let diagnostic = Diagnostic::warning("no-effect", message);
    let diagnostic = match checker.suggest.closest(word, &known) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => {
            diagnostic.help("it counts from the first person on who has one: `accounts: { DIRECTORY#LABEL: NAME }`")
        }
    };
    spot.report(checker, &["accounts", "bases"], diagnostic);
}

fn create_before(checker: &mut Checker<'_>, spot: Spot<'_>, accounts: &AccountSettings) {
    let Some(text) = &accounts.create_before else { return };
    let diagnostic = match date::term(text) {
        Err(mistake) => Diagnostic::error(mistake.code, mistake.message).help(mistake.help),
        Ok(_) if accounts.manage == AccountManage::Reference => Diagnostic::warning(
            "no-effect",
            "accounts that are looked up only are not made before the first day either",
        )
        .help("remove the line, or write `manage: full`"),
        Ok(_) => return,
    };
    spot.report(checker, &["accounts", "create_before"], diagnostic);
}

fn base(checker: &mut Checker<'_>, spot: Spot<'_>, section: &str, dn: Option<&str>, example: &str) {
    match dn {
        None => spot.missing(
            checker,
            &format!("{section}.base"),
            &format!("say below which entry the {section} are: `{section}: {{ base: \"{example}\" }}`"),
        ),
        Some(dn) => {
            if let Some(why) = words::bad_dn(dn) {
                let diagnostic = Diagnostic::error("bad-dn", format!("this is no distinguished name: {why}"));
                spot.report(
                    checker,
                    &[section, "base"],
                    diagnostic.help(format!("write it from the entry up: `{example}`")),
                );
            }
        }
    }
}

/// What is wrong with an attribute that accord shall read or write.
fn bad(name: &str) -> Option<Diagnostic> {
    if words::is_credential(name) {
        let message = format!("`{name}` holds a credential; accord never reads or writes one");
        return Some(
            Diagnostic::error("credential-attribute", message)
                .help("a first password is `initial_password`, by reference"),
        );
    }
    words::bad_attribute(name).then(|| {
        let message = format!("`{}` cannot be the name of an attribute", name.escape_debug());
        Diagnostic::error("bad-attribute", message)
            .help("a name such as `employeeNumber`, as the directory's schema has it")
    })
}

fn single_attributes(checker: &mut Checker<'_>, spot: Spot<'_>, accounts: &AccountSettings) {
    let singles: [(&[&str], Option<&String>); 3] = [
        (&["accounts", "match"], accounts.match_attribute.as_ref()),
        (&["accounts", "id_attribute"], accounts.id_attribute.as_ref()),
        (&["accounts", "disable", "attribute"], accounts.disable.as_ref().map(|disable| &disable.attribute)),
    ];
    for (keys, name) in singles {
        if let Some(diagnostic) = name.and_then(|name| bad(name)) {
            spot.report(checker, keys, diagnostic);
        }
    }
}

fn mapping(checker: &mut Checker<'_>, spot: Spot<'_>, settings: &DirectorySettings) {
    let accounts = &settings.accounts;
    let matched = accounts.match_attribute.as_deref().unwrap_or(MATCH);
    let mut lower: Vec<String> = Vec::new();
    for (name, source) in &accounts.attributes {
        let keys = ["accounts", "attributes", name.as_str()];
        let own = |other: Option<&str>| other.is_some_and(|other| other.eq_ignore_ascii_case(name));
        if let Some(diagnostic) = bad(name) {
            spot.report_key(checker, &keys, diagnostic);
        } else if own(Some(matched)) {
            let message = format!("`{name}` carries the account name and is written from that");
            spot.report_key(
                checker,
                &keys,
                Diagnostic::error("bad-attribute", message)
                    .help("remove the line; `accounts:` of a person says where the name differs from the key"),
            );
        } else if own(accounts.id_attribute.as_deref()) {
            let message = format!("`{name}` carries the person's `id` and is written from that");
            spot.report_key(checker, &keys, Diagnostic::error("bad-attribute", message).help("remove the line"));
        } else if name.eq_ignore_ascii_case("objectClass") {
            spot.report_key(
                checker,
                &keys,
                Diagnostic::error("bad-attribute", "`objectClass` is written from `object_classes`"),
            );
        }
        let folded = name.to_ascii_lowercase();
        if lower.contains(&folded) {
            let message = format!("`{name}` is written twice: case does not count in names of attributes");
            spot.report_key(checker, &keys, Diagnostic::error("duplicate-key", message));
        }
        lower.push(folded);
        source_of(checker, spot, &keys, source);
        if let AttributeSource::Account { account } = source {
            named_account(checker, spot, &[&keys[..], &["account"]].concat(), account, settings.kind);
        }
    }
}

/// The account of somebody whom a field of the person names.
fn named_account(checker: &mut Checker<'_>, spot: Spot<'_>, keys: &[&str], field: &str, kind: ProviderKind) {
    const FIELDS: [&str; 3] = ["manager", "sponsor", "owner"];
    if kind == ProviderKind::Ldif {
        let diagnostic = Diagnostic::error("bad-setting", "a file does not keep what names another account");
        spot.report(checker, keys, diagnostic.help("remove the line, or use a directory server"));
    } else if !FIELDS.contains(&field) {
        let message = format!("`{}` names nobody whose account could be meant", field.escape_debug());
        let diagnostic = Diagnostic::error("unknown-attribute", message);
        spot.report(checker, keys, diagnostic.help("`manager`, `sponsor` or `owner`"));
    }
}

fn source_of(checker: &mut Checker<'_>, spot: Spot<'_>, keys: &[&str], source: &AttributeSource) {
    match source {
        AttributeSource::Person(name) => known(checker, spot, keys, name),
        AttributeSource::Template(text) => {
            let texts = [("template", Some(&text.template)), ("second", text.second.as_ref())];
            for (key, text) in texts.into_iter().filter_map(|(key, text)| Some((key, text?))) {
                template(checker, spot, &[keys, &[key]].concat(), text);
            }
        }
        AttributeSource::Account { .. } => {}
    }
}

fn template(checker: &mut Checker<'_>, spot: Spot<'_>, keys: &[&str], text: &str) {
    match placeholders(text) {
        Ok(names) => {
            for name in names.into_iter().filter(|name| *name != "label") {
                known(checker, spot, keys, name);
            }
        }
        Err(message) => spot.report(
            checker,
            keys,
            Diagnostic::error("bad-template", message)
                .help("`{account}`, `{key}`, `{label}` or `{attribute}` are replaced: `/home/{account}`"),
        ),
    }
}

fn known(checker: &mut Checker<'_>, spot: Spot<'_>, keys: &[&str], name: &str) {
    if name == "account" || checker.vocabulary.has(name) {
        return;
    }
    let diagnostic =
        Diagnostic::error("unknown-attribute", format!("no person has an attribute `{}`", name.escape_debug()));
    let diagnostic = match checker.vocabulary.nearest(name) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("a field such as `name` or `email`, or something below `attributes:` of a person; fixed text is `{ template: \"…\" }`"),
    };
    spot.report(checker, keys, diagnostic);
}

/// The names between braces.
fn placeholders(template: &str) -> Result<Vec<&str>, String> {
    let (mut names, mut rest) = (Vec::new(), template);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Err("a `{` of the template is not closed".to_owned());
        };
        if before.contains('}') {
            return Err("a `}` of the template was not opened".to_owned());
        }
        if name.is_empty() || name.contains('{') {
            return Err("the template has an empty or nested `{…}`".to_owned());
        }
        names.push(name);
        rest = behind;
    }
    if rest.contains('}') { Err("a `}` of the template was not opened".to_owned()) } else { Ok(names) }
}

fn classes(checker: &mut Checker<'_>, spot: Spot<'_>, section: &str, classes: &[String]) {
    let mut seen: Vec<String> = Vec::new();
    for class in classes {
        if words::bad_attribute(class) || class.contains(';') {
            let message = format!("`{}` cannot be the name of an object class", class.escape_debug());
            spot.report(checker, &[section, "object_classes"], Diagnostic::error("bad-object-class", message));
        }
        let folded = class.to_ascii_lowercase();
        if seen.contains(&folded) {
            let message = format!("the object class `{class}` is written twice");
            spot.report(checker, &[section, "object_classes"], Diagnostic::error("duplicate-key", message));
        }
        seen.push(folded);
    }
}

fn groups(checker: &mut Checker<'_>, spot: Spot<'_>, groups: &GroupSettings) {
    classes(checker, spot, "groups", &groups.object_classes);
    let class = groups.object_class.unwrap_or_default();
    if groups.nesting == Nesting::Native && class == GroupClass::PosixGroup {
        let message = "members of a `posixGroup` are account names: it cannot hold a group";
        let diagnostic = Diagnostic::error("contradiction", message);
        spot.report(checker, &["groups", "nesting"], diagnostic.help("remove the line"));
    }
    let others = [("groupofnames", GroupClass::GroupOfNames), ("groupofuniquenames", GroupClass::GroupOfUniqueNames)];
    for (word, other) in others {
        if other != class && groups.object_classes.iter().any(|name| name.eq_ignore_ascii_case(word)) {
            let diagnostic = Diagnostic::error(
                "bad-object-class",
                format!("`{word}` beside `object_class` would make two kinds of member lists"),
            );
            spot.report(
                checker,
                &["groups", "object_classes"],
                diagnostic.help("`object_class` says how members are kept; keep one"),
            );
        }
    }
    let Some(dn) = &groups.placeholder else { return };
    if matches!(class, GroupClass::PosixGroup | GroupClass::Group) {
        let word = if class == GroupClass::Group { "group" } else { "posixGroup" };
        let diagnostic = Diagnostic::error("no-effect", format!("a `{word}` may be empty and needs no placeholder"))
            .help("remove the line");
        spot.report(checker, &["groups", "placeholder"], diagnostic);
    } else if let Some(why) = words::bad_dn(dn) {
        spot.report(
            checker,
            &["groups", "placeholder"],
            Diagnostic::error("bad-dn", format!("this is no distinguished name: {why}")),
        );
    }
}

fn who(checker: &mut Checker<'_>, spot: Spot<'_>, accounts: &AccountSettings) -> AccountsFor {
    match accounts.for_whom.as_deref() {
        None | Some("entitled") => AccountsFor::Entitled,
        Some("everyone") => AccountsFor::Everyone,
        Some(word) if word.bytes().all(|b| b.is_ascii_alphabetic()) => {
            let message = format!("`{word}` does not say who gets an account");
            let diagnostic = Diagnostic::error("bad-setting", message)
                .help("`entitled` (whoever holds something here), `everyone`, or a rule such as `person.kind == \"employee\"`");
            spot.report(checker, &["accounts", "for"], diagnostic);
            AccountsFor::Entitled
        }
        Some(rule) => {
            let mark = spot.mark_of(checker, &["accounts", "for"]);
            rules::compile_at(checker, spot.file, rule, mark).map_or(AccountsFor::Entitled, AccountsFor::Rule)
        }
    }
}
