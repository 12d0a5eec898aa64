//! From cel's syntax tree to a checked rule.
//!
//! Comes in: text. Goes out: the checked form with the attributes it reads, or every
//! mistake with its place in the text. Refuses: what is not in the language of rules
//! (see the module above), with what to write instead.

use super::eval::{Comparison, Node, TextTest};
use super::vocabulary::nearest;
use super::{MAX_DEPTH, MAX_LENGTH, MAX_PARTS, RuleError, TypeSet, Vocabulary};
use cel::common::ast::{CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, SelectExpr, SourceInfo, operators};
use cel::parser::{ParseError, Parser};

/// Functions of the language, for "did you mean".
const FUNCTIONS: [&str; 6] = ["startsWith", "endsWith", "contains", "lowerAscii", "size", "has"];

/// Parses and checks. The list is what the rule reads, by number.
pub(super) fn check(text: &str, vocabulary: &Vocabulary) -> Result<(Node, Vec<Box<str>>), Vec<RuleError>> {
    let length = text.chars().count();
    if length > MAX_LENGTH {
        return Err(vec![RuleError {
            code: "rule-too-large",
            offset: 0,
            len: length,
            message: format!("the rule has {length} characters; {MAX_LENGTH} are allowed"),
            help: vec!["split it over several entries, or give people an attribute that says it".to_owned()],
        }]);
    }
    if text.trim().is_empty() {
        let message = "the rule is empty".to_owned();
        let help = vec!["write a condition, `person.department == \"platform\"`".to_owned()];
        return Err(vec![RuleError { code: "rule-syntax", offset: 0, len: 1, message, help }]);
    }
    let depth = u16::try_from(MAX_DEPTH).unwrap_or(u16::MAX);
    let parser = Parser::default().max_recursion_depth(depth).error_recovery_limit(1);
    let (expression, source) = parser
        .parse_with_source_info(text)
        .map_err(|errors| errors.errors.first().map(|error| vec![syntax(text, error)]).unwrap_or_default())?;
    let mut checker = Checker { vocabulary, source, reads: Vec::new(), errors: Vec::new(), parts: 0, length };
    let typed = checker.expression(&expression, 0);
    checker.expect(&expression, typed.types, TypeSet::FLAG, "a rule answers true or false; this is");
    if checker.parts > MAX_PARTS {
        let message = format!("the rule has {} parts; {MAX_PARTS} are allowed", checker.parts);
        let help = "compare with a list, `person.department in [\"a\", \"b\"]`, or split it over several entries";
        checker.errors =
            vec![RuleError { code: "rule-too-large", offset: 0, len: length, message, help: vec![help.to_owned()] }];
    }
    checker.errors.sort_by_key(|error| error.offset);
    if checker.errors.is_empty() { Ok((typed.node, checker.reads)) } else { Err(checker.errors) }
}

/// A syntax error placed in the text, in words for people, with help for the usual slips.
fn syntax(text: &str, error: &ParseError) -> RuleError {
    let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
    let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    let length = text.chars().count();
    let offset = (before + column - 1).min(length.saturating_sub(1));
    let words = error.msg.lines().next().unwrap_or_default();
    let words = words.strip_prefix("Syntax error: ").unwrap_or(words);
    if words.contains("Recursion limit") {
        let message = format!("the rule is nested deeper than {MAX_DEPTH} levels");
        let help = vec!["take brackets away, or split the rule over several entries".to_owned()];
        return RuleError { code: "rule-too-large", offset: 0, len: length, message, help };
    }
    let help = if has_single(text, '=') {
        Some("one `=` is no comparison: write `==`".to_owned())
    } else if has_single(text, '&') || has_single(text, '|') {
        Some("write `&&` for and, `||` for or".to_owned())
    } else if text.split_whitespace().any(|word| matches!(word, "and" | "AND" | "or" | "OR" | "not" | "NOT")) {
        Some("write `&&` for and, `||` for or, `!` for not".to_owned())
    } else {
        Some("a rule reads `person.department == \"platform\" && person.kind == \"employee\"`".to_owned())
    };
    let (what, len) = told(words, text, offset);
    let message = format!("the rule is not CEL: {what}");
    RuleError { code: "rule-syntax", offset, len, message, help: help.into_iter().collect() }
}

/// What the parser says, as a sentence with the position inside the rule; and how many
/// characters it is about.
fn told(words: &str, text: &str, offset: usize) -> (String, usize) {
    let place = format!("character {}", offset + 1);
    // Between the quote after `start` and the last one before `end`.
    let quoted = |start: &str, end: &str| {
        let (_, rest) = words.split_once(start)?;
        let rest = rest.split_once(end).map_or(rest, |(token, _)| token);
        Some(rest.trim_end().strip_suffix('\'').unwrap_or(rest).trim().to_owned())
    };
    let is_end = |token: &str| token == "<EOF>";
    if let (Some(token), Some(before)) = (quoted("missing '", "' at "), quoted("' at '", "' expecting")) {
        let place = if is_end(&before) { "at the end".to_owned() } else { format!("before `{before}`, {place}") };
        return (format!("`{token}` is missing {place}"), 1);
    }
    let unexpected =
        quoted("mismatched input '", "' expecting").or_else(|| quoted("extraneous input '", "' expecting"));
    if let Some(token) = unexpected {
        if is_end(&token) {
            return ("it ends where something more is expected".to_owned(), 1);
        }
        let len = token.chars().count().clamp(1, text.chars().count().saturating_sub(offset).max(1));
        return (format!("`{token}` does not belong here ({place})"), len);
    }
    match quoted("token recognition error at: '", "' expecting") {
        Some(token) if token.starts_with(['"', '\'']) => (format!("a text that begins at {place} is not closed"), 1),
        Some(token) if !token.is_empty() => (format!("`{token}` is not in the language of rules ({place})"), 1),
        _ => (format!("it cannot be read from {place} on"), 1),
    }
}

/// Whether `sign` stands alone somewhere outside quotes.
fn has_single(text: &str, sign: char) -> bool {
    let mut quote = None;
    let mut previous = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == sign
                && chars.peek() != Some(&sign)
                && previous != sign
                && !matches!(previous, '!' | '<' | '>') =>
            {
                return true;
            }
            Some(_) | None => {}
        }
        previous = c;
    }
    false
}

/// A checked part and what it may be.
struct Typed {
    node: Node,
    types: TypeSet,
}

impl Typed {
    /// The stand-in for a part with a mistake: fits everywhere, so that one mistake is told once.
    fn wrong() -> Self {
        Self { node: Node::Flag(false), types: TypeSet::ANY }
    }

    fn flag(node: Node) -> Self {
        Self { node, types: TypeSet::FLAG }
    }
}

struct Checker<'v> {
    vocabulary: &'v Vocabulary,
    source: SourceInfo,
    reads: Vec<Box<str>>,
    errors: Vec<RuleError>,
    parts: usize,
    length: usize,
}

impl Checker<'_> {
    fn expression(&mut self, part: &IdedExpr, depth: usize) -> Typed {
        self.parts += 1;
        if depth > MAX_DEPTH * 4 || self.parts > MAX_PARTS * 4 {
            self.parts = self.parts.max(MAX_PARTS + 1);
            return Typed::wrong();
        }
        match &part.expr {
            Expr::Literal(literal) => self.literal(part, literal),
            Expr::List(list) => self.list(part, list),
            Expr::Select(select) => self.select(part, select),
            Expr::Call(call) => self.call(part, call, depth + 1),
            Expr::Ident(name) if name == "person" => {
                self.unsupported(part, "`person` alone is no value", "name an attribute, `person.department`")
            }
            Expr::Ident(name) => {
                let help = match self.vocabulary.types(name) {
                    Some(_) => format!("write `person.{name}`"),
                    None => format!("a rule knows only `person`; a text is quoted, `\"{name}\"`"),
                };
                self.error(part, "unknown-attribute", format!("nothing is called `{name}` in a rule"), vec![help])
            }
            Expr::Comprehension(_) => self.unsupported(
                part,
                "rules have no loops (`all`, `exists`, `map`, `filter`)",
                "ask a list for a text, `\"x\" in person.skills`",
            ),
            Expr::Map(_) | Expr::Struct(_) => self.unsupported(
                part,
                "rules have no maps",
                "compare with a list, `person.department in [\"a\", \"b\"]`",
            ),
            Expr::Unspecified => self.unsupported(part, "the rule has an empty part", "remove it"),
        }
    }

    fn literal(&mut self, part: &IdedExpr, literal: &LiteralValue) -> Typed {
        match literal {
            LiteralValue::Boolean(flag) => Typed::flag(Node::Flag(*flag.inner())),
            LiteralValue::Int(number) => Typed { node: Node::Number(*number.inner()), types: TypeSet::NUMBER },
            LiteralValue::String(text) => Typed { node: Node::Text(text.inner().into()), types: TypeSet::TEXT },
            LiteralValue::UInt(_) => self.unsupported(part, "rules have no unsigned numbers", "write `3`, not `3u`"),
            LiteralValue::Double(_) => self.unsupported(part, "rules have no fractions", "write a whole number"),
            LiteralValue::Bytes(_) => self.unsupported(part, "rules have no bytes", "write a text, `\"…\"`"),
            LiteralValue::Null => self.unsupported(
                part,
                "rules have no null",
                "ask whether the attribute is there, `has(person.company)`",
            ),
        }
    }

    fn list(&mut self, part: &IdedExpr, list: &ListExpr) -> Typed {
        self.parts += list.elements.len();
        let mut texts: Vec<Box<str>> = Vec::new();
        let mut numbers = Vec::new();
        for element in &list.elements {
            match Self::constant(element) {
                Some(Node::Text(text)) => texts.push(text),
                Some(Node::Number(number)) => numbers.push(number),
                _ => {
                    let message = "a list in a rule holds fixed texts or whole numbers";
                    return self.unsupported(element, message, "write each comparison, joined with `||`");
                }
            }
        }
        match (texts.is_empty(), numbers.is_empty()) {
            (false, false) => {
                let message = "the list mixes texts and numbers".to_owned();
                self.error(part, "unlike-types", message, vec!["quote the numbers, or split the list".to_owned()])
            }
            (true, false) => Typed { node: Node::Numbers(numbers), types: TypeSet::NUMBERS },
            (_, true) => Typed { node: Node::Texts(texts), types: TypeSet::LIST },
        }
    }

    fn constant(part: &IdedExpr) -> Option<Node> {
        match &part.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(Node::Text(text.inner().into())),
            Expr::Literal(LiteralValue::Int(number)) => Some(Node::Number(*number.inner())),
            Expr::Call(call) if call.func_name == operators::NEGATE => match call.args.as_slice() {
                [IdedExpr { expr: Expr::Literal(LiteralValue::Int(number)), .. }] => {
                    number.inner().checked_neg().map(Node::Number)
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn select(&mut self, part: &IdedExpr, select: &SelectExpr) -> Typed {
        self.parts += 1;
        if select.operand.expr != Expr::Ident("person".to_owned()) {
            let help = "write `person.` and one attribute, `person.department`";
            return match &select.operand.expr {
                Expr::Ident(other) => {
                    let message = format!("nothing is called `{other}` in a rule");
                    self.error(part, "unknown-attribute", message, vec![help.to_owned()])
                }
                _ => self.unsupported(part, "attributes of people have no parts of their own", help),
            };
        }
        let name = select.field.as_str();
        let Some(types) = self.vocabulary.types(name) else {
            let mut help = Vec::new();
            match self.vocabulary.nearest(name) {
                Some(near) => help.push(format!("did you mean `person.{near}`?")),
                None => help.push(format!("people have: {}", self.vocabulary.names().collect::<Vec<_>>().join(", "))),
            }
            return self.error(part, "unknown-attribute", format!("no person has an attribute `{name}`"), help);
        };
        let number = self.reads.iter().position(|read| read.as_ref() == name).unwrap_or_else(|| {
            self.reads.push(name.into());
            self.reads.len() - 1
        });
        // MAX_PARTS bounds the number of reads far below 16 bits.
        let number = u16::try_from(number).unwrap_or(u16::MAX);
        if select.test { Typed::flag(Node::Has(number)) } else { Typed { node: Node::Read(number), types } }
    }

    fn call(&mut self, part: &IdedExpr, call: &CallExpr, depth: usize) -> Typed {
        let target = call.target.as_deref();
        match (call.func_name.as_str(), target, call.args.as_slice()) {
            (operators::LOGICAL_AND, None, [a, b]) => self.junction([a, b], depth, Node::And),
            (operators::LOGICAL_OR, None, [a, b]) => self.junction([a, b], depth, Node::Or),
            (operators::LOGICAL_NOT, None, [of]) => {
                let typed = self.flag(of, depth, "`!` takes true or false; this is");
                Typed::flag(Node::Not(Box::new(typed)))
            }
            (operators::CONDITIONAL, None, [condition, yes, no]) => self.conditional([condition, yes, no], depth),
            (operators::NEGATE, None, [_]) => match Self::constant(part) {
                Some(node) => Typed { node, types: TypeSet::NUMBER },
                None => self.no_arithmetic(part, "-"),
            },
            (operators::IN, None, [item, list]) => self.membership([item, list], depth),
            ("size", None, [of]) | ("size", Some(of), []) => self.size(of, depth),
            ("lowerAscii", Some(of), []) => {
                let typed = self.expression(of, depth);
                self.expect(of, typed.types, TypeSet::TEXT, "`lowerAscii` takes text; this is");
                Typed { node: Node::Lower(Box::new(typed.node)), types: TypeSet::TEXT }
            }
            ("startsWith", Some(a), [b]) => self.text_test(TextTest::StartsWith, [a, b], depth),
            ("endsWith", Some(a), [b]) => self.text_test(TextTest::EndsWith, [a, b], depth),
            ("contains", Some(a), [b]) => self.text_test(TextTest::Contains, [a, b], depth),
            (name, None, [a, b]) => match comparison(name) {
                Some(how) => self.comparison(part, how, [a, b], depth),
                None => self.other_call(part, name),
            },
            (name, _, _) => self.other_call(part, name),
        }
    }

    fn junction(&mut self, sides: [&IdedExpr; 2], depth: usize, make: fn(Box<[Node; 2]>) -> Node) -> Typed {
        let sides = sides.map(|side| self.flag(side, depth, "`&&` and `||` join true and false; this is"));
        Typed::flag(make(Box::new(sides)))
    }

    fn flag(&mut self, part: &IdedExpr, depth: usize, what: &str) -> Node {
        let typed = self.expression(part, depth);
        self.expect(part, typed.types, TypeSet::FLAG, what);
        typed.node
    }

    fn conditional(&mut self, parts: [&IdedExpr; 3], depth: usize) -> Typed {
        let [condition, yes, no] = parts;
        let condition = self.flag(condition, depth, "the condition before `?` is true or false; this is");
        let (yes, other) = (self.expression(yes, depth), self.expression(no, depth));
        if yes.types.and(other.types).is_empty() {
            let message = format!("the two sides of `:` are unlike: {} and {}", yes.types.words(), other.types.words());
            return self.error(no, "unlike-types", message, vec!["give both sides the same type".to_owned()]);
        }
        let types = yes.types.or(other.types);
        Typed { node: Node::If(Box::new([condition, yes.node, other.node])), types }
    }

    fn membership(&mut self, parts: [&IdedExpr; 2], depth: usize) -> Typed {
        let [item_part, list_part] = parts;
        let (item, list) = (self.expression(item_part, depth), self.expression(list_part, depth));
        let lists = TypeSet::LIST.or(TypeSet::NUMBERS);
        self.expect(list_part, list.types, lists, "`in` asks a list; this is");
        let mut items = TypeSet::default();
        if !list.types.and(TypeSet::LIST).is_empty() {
            items = items.or(TypeSet::TEXT);
        }
        if !list.types.and(TypeSet::NUMBERS).is_empty() {
            items = items.or(TypeSet::NUMBER);
        }
        if !items.is_empty() {
            let what = format!("the list holds {}; this is", items.words());
            self.expect(item_part, item.types, items, &what);
        }
        Typed::flag(Node::In(Box::new([item.node, list.node])))
    }

    fn size(&mut self, of: &IdedExpr, depth: usize) -> Typed {
        let typed = self.expression(of, depth);
        let sized = TypeSet::TEXT.or(TypeSet::LIST).or(TypeSet::NUMBERS);
        self.expect(of, typed.types, sized, "`size` counts a text or a list; this is");
        Typed { node: Node::Size(Box::new(typed.node)), types: TypeSet::NUMBER }
    }

    fn text_test(&mut self, test: TextTest, parts: [&IdedExpr; 2], depth: usize) -> Typed {
        let sides = parts.map(|part| {
            let typed = self.expression(part, depth);
            self.expect(part, typed.types, TypeSet::TEXT, "this function compares texts; this is");
            typed.node
        });
        Typed::flag(Node::Test(test, Box::new(sides)))
    }

    fn comparison(&mut self, part: &IdedExpr, how: Comparison, parts: [&IdedExpr; 2], depth: usize) -> Typed {
        let [a, b] = parts.map(|side| self.expression(side, depth));
        if a.types.and(b.types).is_empty() {
            let message = format!("unlike types are compared: {} with {}", a.types.words(), b.types.words());
            let help = if a.types == TypeSet::LIST || b.types == TypeSet::LIST {
                "ask a list with `in`, `\"x\" in person.skills`"
            } else {
                "numbers are written without quotes, texts with"
            };
            return self.error(part, "unlike-types", message, vec![help.to_owned()]);
        }
        let ordered = TypeSet::TEXT.or(TypeSet::NUMBER);
        if !matches!(how, Comparison::Equal | Comparison::NotEqual) {
            for (side, typed) in parts.iter().zip([&a, &b]) {
                self.expect(side, typed.types, ordered, "only texts and numbers have an order; this is");
            }
        }
        Typed::flag(Node::Compare(how, Box::new([a.node, b.node])))
    }

    fn other_call(&mut self, part: &IdedExpr, name: &str) -> Typed {
        if let Some(sign) = arithmetic(name) {
            return self.no_arithmetic(part, sign);
        }
        match name {
            "matches" => self.unsupported(
                part,
                "rules have no regular expressions",
                "use `startsWith`, `endsWith`, `contains` or `in`",
            ),
            _ if FUNCTIONS.contains(&name) => {
                let help = "`text.startsWith(text)`, `text.endsWith(text)`, `text.contains(text)`, `text.lowerAscii()`, \
                            `size(list)`, `has(person.name)`";
                let message = format!("`{name}` is called with the wrong number of values");
                self.error(part, "unknown-function", message, vec![help.to_owned()])
            }
            operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT => {
                self.unsupported(part, "rules do not index", "name the attribute, `person.department`")
            }
            _ => {
                let help = match nearest(name, FUNCTIONS.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("rules know {}", FUNCTIONS.join(", ")),
                };
                self.error(part, "unknown-function", format!("there is no function `{name}` in a rule"), vec![help])
            }
        }
    }

    fn no_arithmetic(&mut self, part: &IdedExpr, sign: &str) -> Typed {
        let message = format!("rules compare, they do not calculate (`{sign}`)");
        self.unsupported(part, &message, "write the result")
    }

    fn expect(&mut self, part: &IdedExpr, types: TypeSet, wanted: TypeSet, what: &str) {
        if types.and(wanted).is_empty() {
            let help = (wanted == TypeSet::FLAG).then(|| "compare it with something, `== \"…\"`".to_owned());
            let help = help.into_iter().collect();
            self.error(part, "unlike-types", format!("{what} {}", types.words()), help);
        }
    }

    fn unsupported(&mut self, part: &IdedExpr, message: &str, help: &str) -> Typed {
        self.error(part, "rule-unsupported", message.to_owned(), vec![help.to_owned()])
    }

    fn error(&mut self, part: &IdedExpr, code: &'static str, message: String, help: Vec<String>) -> Typed {
        let (offset, len) = self.extent(part);
        self.errors.push(RuleError { code, offset, len, message, help });
        Typed::wrong()
    }

    /// From the first to the last character that any piece of the part is written at.
    fn extent(&self, part: &IdedExpr) -> (usize, usize) {
        let mut bounds: Option<(usize, usize)> = None;
        self.widen(part, &mut bounds, 0);
        let (start, stop) = bounds.unwrap_or((0, 0));
        // cel counts bytes.
        let characters = |byte: usize| self.source.source.char_indices().take_while(|(n, _)| *n < byte).count();
        let last = self.length.saturating_sub(1);
        let start = characters(start).min(last);
        let stop = characters(stop).clamp(start, last);
        (start, stop - start + 1)
    }

    fn widen(&self, part: &IdedExpr, bounds: &mut Option<(usize, usize)>, depth: usize) {
        if let Some((start, stop)) = self.source.offset_for(part.id) {
            let (start, stop) = (start as usize, stop as usize);
            *bounds = Some(match *bounds {
                Some((a, b)) => (a.min(start), b.max(stop)),
                None => (start, stop),
            });
        }
        if depth > MAX_DEPTH {
            return;
        }
        match &part.expr {
            Expr::Call(call) => {
                call.target.iter().for_each(|target| self.widen(target, bounds, depth + 1));
                call.args.iter().for_each(|arg| self.widen(arg, bounds, depth + 1));
            }
            Expr::Select(select) => {
                // The part's own place is the dot before the name.
                if let Some((start, stop)) = bounds.as_mut().filter(|_| !select.test) {
                    *stop = (*stop).max(*start + select.field.len());
                }
                self.widen(&select.operand, bounds, depth + 1);
            }
            Expr::Comprehension(comprehension) => self.widen(&comprehension.iter_range, bounds, depth + 1),
            Expr::List(list) => list.elements.iter().for_each(|element| self.widen(element, bounds, depth + 1)),
            _ => {}
        }
    }
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(name: &str) -> Option<&'static str> {
    Some(match name {
        operators::ADD => "+",
        operators::SUBSTRACT | operators::NEGATE => "-",
        operators::MULTIPLY => "*",
        operators::DIVIDE => "/",
        operators::MODULO => "%",
        _ => return None,
    })
}
