//! When and where something was changed behind accord's back. Samba shows what it keeps
//! of attributes (`replPropertyMetaData`), and nothing of single members; a proxy says
//! what Microsoft's controllers say of those.

use super::links::{Bed, DATED, group, member, open, shows};
use super::people;
use crate::support::strict::Rules;
use serde_json::{Value, json};

const DSA: &str =
    "CN=NTDS Settings,CN=DC7,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=example,DC=com";

fn of_member(dn: &str, deleted: &str, changed: &str) -> String {
    format!(
        "<DS_REPL_VALUE_META_DATA>\n\t<pszAttributeName>member</pszAttributeName>\n\t<pszObjectDn>{dn}</pszObjectDn>\n\t\
         <cbData>0</cbData>\n\t<pbData></pbData>\n\t<ftimeDeleted>{deleted}</ftimeDeleted>\n\t\
         <ftimeCreated>2026-01-01T08:00:00Z</ftimeCreated>\n\t<dwVersion>2</dwVersion>\n\t\
         <ftimeLastOriginatingChange>{changed}</ftimeLastOriginatingChange>\n\t\
         <uuidLastOriginatingDsaInvocationID>b41bc330-7b6d-4275-b365-37e86e52139c</uuidLastOriginatingDsaInvocationID>\n\t\
         <usnOriginatingChange>1</usnOriginatingChange>\n\t<usnLocalChange>1</usnLocalChange>\n\t\
         <pszLastOriginatingDsaDN>{DSA}</pszLastOriginatingDsaDN>\n</DS_REPL_VALUE_META_DATA>\n\0"
    )
}

fn difference<'d>(drift: &'d Value, action: &str) -> &'d Value {
    let all = drift["differences"].as_array().unwrap();
    all.iter().find(|one| one["undo"]["action"] == action).unwrap_or_else(|| panic!("{drift:#}"))
}

#[test]
fn an_attribute_was_changed_then_and_there_and_nobody_knows_by_whom() {
    let bed = Bed::new(open(), Rules::default(), "", DATED);
    bed.apply();
    let by_hand = |change: &str| {
        bed.dc.tools().modify(&format!("dn: CN=Ada,{}\nchangetype: modify\n{change}\n", people()));
    };
    by_hand("replace: displayName\ndisplayName: Countess\n");
    let stamp = difference(&bed.json(&["drift"], 2), "update-account")["at"].clone();
    std::thread::sleep(std::time::Duration::from_secs(2));
    // What nobody asked about is changed later: the record is about the attribute.
    by_hand("replace: info\ninfo: x\n");
    let drift = bed.json(&["drift"], 2);
    let found = difference(&drift, "update-account");
    assert_eq!((&found["on"], &found["by"], &found["at"]), (&json!("DC1"), &json!(null), &stamp));
    let told = bed.run(&["drift"], 2);
    shows(&told, " on DC1; the directory does not record who");
    bed.apply();

    by_hand("replace: accountExpires\naccountExpires: 134510112000000000\n");
    let told = bed.run(&["drift"], 2);
    shows(&told, "an end 2027-04-01 00:00 was set, changed 20");
    shows(&told, " on DC1; the directory does not record who");
    bed.apply();
    by_hand("replace: userAccountControl\nuserAccountControl: 514\n");
    shows(&bed.run(&["drift"], 2), "was disabled, changed 20");
}

#[test]
fn a_member_was_removed_then_and_there_where_the_controller_says_so() {
    let bed = Bed::new(open(), Rules::default(), "", DATED);
    bed.apply();
    let change = format!("dn: {}\nchangetype: modify\ndelete: member\nmember: {}\n", group(), member("Ada"));
    bed.dc.tools().modify(&change);
    // Samba says nothing of single members: the group's last change is what is known.
    let told = bed.json(&["drift"], 2);
    assert_eq!(difference(&told, "grant").get("on"), None);
    shows(&bed.run(&["drift"], 2), "was removed, object last changed ");

    let never = "1601-01-01T00:00:00Z";
    let others = of_member(&member("Bob"), never, "2026-09-09T09:00:00Z");
    let torn = of_member(&member("Ada"), never, "2026-10-10T09:00:00Z").replace("</pszObjectDn>", "");
    let ada = of_member(&member("Ada"), "2026-08-08T09:00:00Z", "2026-08-08T09:00:00Z");
    bed.proxy.say(&group(), "msDS-ReplValueMetaData", &[others, torn, ada]);
    let told = bed.json(&["drift"], 2);
    let found = difference(&told, "grant");
    assert_eq!((&found["on"], &found["at"]), (&json!("DC7"), &json!("2026-08-08T09:00:00Z")));
    shows(&bed.run(&["drift"], 2), "was removed, changed 2026-08-08 09:00 on DC7; the directory does not record who");
}
