//! One file as a tree in one list: every node with its place, parents before
//! children, so that skipping a node is adding to an index.
//!
//! Comes in: bytes. Goes out: [`Tree`], with what is wrong in it as YAML and which
//! nodes are not to be read. Refuses: to stop at the first mistake, except where
//! the text is no YAML at all.

use super::problem::Problem;
use super::syntax;
use crate::policy::written::{Found, Mark};
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span, StructureStyle, Tag};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Most bytes of one file, 64 MiB.
pub const MAX_BYTES: usize = 64 << 20;
/// Deepest nesting of lists and mappings; the deepest useful policy needs ten.
const MAX_DEPTH: usize = 64;

/// Number of a node in its tree.
pub(super) type NodeId = u32;

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind<'t> {
    /// Text; whether it was written without quotes.
    Scalar(Cow<'t, str>, bool),
    /// A list; children are its items.
    List,
    /// A mapping; children are keys and values in turn.
    Map,
}

#[derive(Debug, Clone)]
pub(super) struct Node<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) mark: Mark,
    /// The node after this one and everything inside it.
    pub(super) end: NodeId,
}

impl Node<'_> {
    /// Whether YAML reads the node as null: nothing, `~` or `null` without quotes.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, true) if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// One policy file, parsed.
#[derive(Debug, Default)]
pub struct Tree<'t> {
    pub(super) nodes: Vec<Node<'t>>,
    /// Values (and items) that are not read: second values of a key, nodes with
    /// tags, aliases, whatever was reported already.
    pub(super) hidden: BTreeSet<NodeId>,
    /// Of those, second values of a key: the first one is read, so no name is lost.
    doubles: BTreeSet<NodeId>,
    /// What is wrong with the file as YAML.
    pub problems: Vec<Problem>,
    /// Whether the text stops being YAML somewhere: what was read is a part.
    pub broken: bool,
}

impl<'t> Tree<'t> {
    /// Parses one file.
    pub fn parse(bytes: &'t [u8]) -> Self {
        let text = match std::str::from_utf8(bytes) {
            _ if bytes.len() > MAX_BYTES => return Self::unreadable(syntax::too_large(bytes.len())),
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => return Self::unreadable(syntax::not_utf8(bytes, error.valid_up_to())),
        };
        let mut options = Options::default();
        options.set_emit_comments(false);
        options.disallow_directives = true;
        options.emit_unresolved_aliases = true;
        options.emit_anchor_events = true;
        options.flow_nesting_limit = MAX_DEPTH;
        options.block_nesting_limit = MAX_DEPTH;
        let mut builder = Builder { text, tree: Self::default(), open: Vec::new(), documents: 0 };
        for event in Parser::new_from_str_with_options(text, options) {
            match event {
                Ok((event, span)) => builder.event(event, &span),
                Err(error) => {
                    builder.tree.problems.push(syntax::problem(&error, text));
                    builder.tree.broken = true;
                    break;
                }
            }
        }
        builder.tree
    }

    fn unreadable(problem: Problem) -> Self {
        Self { problems: vec![problem], broken: true, ..Self::default() }
    }

    /// Whether the file holds nothing but comments.
    pub fn is_empty(&self) -> bool {
        self.nodes.first().is_none_or(Node::is_null)
    }

    /// The places of the key and of the value at a path of keys and list positions. An
    /// item has no key, a list or mapping no place but its key's.
    pub fn find(&self, path: &[&str]) -> Option<Found> {
        let mut at = 0;
        let mut mark = self.node(at)?.mark;
        for step in path {
            (at, mark) = match &self.node(at)?.kind {
                Kind::Scalar(..) => return None,
                Kind::List => {
                    let item = self.children(at).nth(step.parse().ok()?)?;
                    (item, self.node(item)?.mark)
                }
                Kind::Map => {
                    let (key, value) = self.pairs(at).find(|(key, _)| self.text(*key) == Some(step))?;
                    (value, self.node(key)?.mark)
                }
            };
        }
        let node = self.node(at)?;
        let value = if matches!(node.kind, Kind::Scalar(..)) && node.mark.line > 0 { node.mark } else { mark };
        Some(Found { key: mark, value })
    }

    /// Leaves a value or item out of every later reading.
    pub(in crate::policy) fn hide(&mut self, node: NodeId) {
        self.hidden.insert(node);
    }

    /// Whether a child of `node` is left out.
    pub(in crate::policy) fn has_hidden(&self, node: NodeId) -> bool {
        self.children(node).any(|child| self.hidden.contains(&child))
    }

    /// Whether a mistake at `mistake` belongs to `node` or to its key.
    pub(in crate::policy) fn is_inside(&self, mistake: Option<NodeId>, node: NodeId) -> bool {
        // A key is a scalar and stands right before its value; the node before an
        // item never is a mistake of the item's own slice, because it is not shown.
        mistake.is_some_and(|at| (node.saturating_sub(1)..self.end(node)).contains(&at) && !self.is_parent(at, node))
    }

    fn is_parent(&self, at: NodeId, node: NodeId) -> bool {
        at < node && self.end(at) > node
    }

    /// Values of a mapping or items of a list that are read.
    pub(in crate::policy) fn values(&self, id: NodeId) -> Vec<NodeId> {
        let values: Vec<NodeId> = match self.node(id).map(|node| &node.kind) {
            Some(Kind::Map) => self.pairs(id).map(|(_, value)| value).collect(),
            Some(Kind::List) => self.children(id).collect(),
            _ => Vec::new(),
        };
        values.into_iter().filter(|value| !self.hidden.contains(value)).collect()
    }

    /// Whether a hidden node takes a name with it (it is a section, or an entry of
    /// one), and the lines of the mappings in which a field is hidden.
    pub(in crate::policy) fn damage(&self) -> (bool, Vec<(u32, u32)>) {
        let mut lost = self.hidden.contains(&0);
        let mut damaged = Vec::new();
        let mut parents: Vec<&Node<'t>> = Vec::new();
        for (id, node) in (0..).zip(&self.nodes) {
            while parents.last().is_some_and(|parent| parent.end <= id) {
                parents.pop();
            }
            if self.hidden.contains(&id) && !self.doubles.contains(&id) {
                lost |= parents.len() <= 2;
                if let Some(parent) = parents.last()
                    && parent.kind == Kind::Map
                {
                    damaged.push((parent.mark.line, self.mark(parent.end.saturating_sub(1)).line));
                }
            }
            parents.push(node);
        }
        (lost, damaged)
    }

    /// Keys of the root with their values.
    pub(in crate::policy) fn sections(&self) -> Vec<(&str, Mark, NodeId)> {
        self.pairs(0).filter_map(|(key, value)| Some((self.text(key)?, self.mark(key), value))).collect()
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node<'t>> {
        self.nodes.get(id as usize)
    }

    pub(super) fn mark(&self, id: NodeId) -> Mark {
        self.node(id).map(|node| node.mark).unwrap_or_default()
    }

    pub(super) fn end(&self, id: NodeId) -> NodeId {
        // Never `id` itself: walking must always get on.
        self.node(id).map_or(NodeId::MAX, |node| node.end.max(id.saturating_add(1)))
    }

    /// The text of a scalar.
    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        match &self.node(id)?.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Items of a list; keys and values in turn of a mapping.
    pub(super) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let end =
            if matches!(self.node(id).map(|n| &n.kind), Some(Kind::Scalar(..)) | None) { 0 } else { self.end(id) };
        let mut next = id + 1;
        std::iter::from_fn(move || {
            let this = next;
            (this < end).then(|| {
                next = self.end(this);
                this
            })
        })
    }

    /// Keys with their values.
    pub(super) fn pairs(&self, id: NodeId) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let mut children = self.children(id);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }
}

struct Open {
    node: NodeId,
    /// Children so far, and of those the last.
    children: u32,
    last: NodeId,
}

struct Builder<'t> {
    text: &'t str,
    tree: Tree<'t>,
    open: Vec<Open>,
    documents: u32,
}

impl<'t> Builder<'t> {
    fn event(&mut self, event: Event<'t>, span: &Span) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    let problem = Problem::new("several-documents", "a second document begins here", mark(span));
                    self.tree
                        .problems
                        .push(problem.help("a policy file is one document: remove the `---`, or split the file"));
                }
            }
            // What follows the first document was reported with its `---`.
            _ if self.documents > 1 => {}
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain;
                let node = self.node(Kind::Scalar(text, plain), mark(span));
                self.tag(tag.as_deref(), node, span);
            }
            Event::SequenceStart(_, _, tag) => {
                let node = self.node(Kind::List, one(span));
                self.open.push(Open { node, children: 0, last: node });
                self.tag(tag.as_deref(), node, span);
            }
            Event::MappingStart(style, _, tag) => {
                // A block mapping begins at its first key, whose length it takes over.
                let length = u16::from(style == StructureStyle::Flow);
                let node = self.node(Kind::Map, Mark { length, ..mark(span) });
                self.open.push(Open { node, children: 0, last: node });
                self.tag(tag.as_deref(), node, span);
            }
            Event::SequenceEnd => self.close(),
            Event::MappingEnd => {
                if let Some(open) = self.open.last() {
                    let map = open.node;
                    self.seal(map);
                    self.keys(map);
                }
                self.close();
            }
            Event::Anchor(..) => {
                let problem = syntax::swallowed("yaml-anchor", self.text, span, "anchor");
                self.reject(self.newest(), problem);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let node = self.node(Kind::Scalar(Cow::Borrowed(""), false), mark(span));
                let problem = syntax::swallowed("yaml-alias", self.text, span, "alias");
                self.reject(node, problem);
            }
            _ => {}
        }
    }

    /// A new node, as a child of the innermost open one.
    fn node(&mut self, kind: Kind<'t>, mark: Mark) -> NodeId {
        let node = NodeId::try_from(self.tree.nodes.len()).unwrap_or(NodeId::MAX);
        if let Some(open) = self.open.last_mut() {
            if open.children == 0
                && let Some(parent) = self.tree.nodes.get_mut(open.node as usize)
                && parent.mark.length == 0
            {
                parent.mark.length = mark.length.max(1);
            }
            open.children += 1;
            open.last = node;
        }
        self.tree.nodes.push(Node { kind, mark, end: node + 1 });
        node
    }

    fn newest(&self) -> NodeId {
        // A container's anchor comes right after its start, before any child.
        NodeId::try_from(self.tree.nodes.len()).unwrap_or(NodeId::MAX).saturating_sub(1)
    }

    fn tag(&mut self, tag: Option<&Tag>, node: NodeId, span: &Span) {
        if tag.is_some() {
            let tag_span = span.tag_span().unwrap_or(*span);
            let problem = syntax::swallowed("yaml-tag", self.text, &tag_span, "tag");
            self.reject(node, problem);
        }
    }

    /// Reports a node and hides it, or the whole pair if the node is a key.
    fn reject(&mut self, node: NodeId, problem: Problem) {
        self.tree.problems.push(problem);
        self.tree.hidden.insert(node);
    }

    fn seal(&mut self, node: NodeId) {
        let end = NodeId::try_from(self.tree.nodes.len()).unwrap_or(NodeId::MAX);
        if let Some(node) = self.tree.nodes.get_mut(node as usize) {
            node.end = end;
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.seal(open.node);
        }
    }

    /// Keys must be text, one of each.
    fn keys(&mut self, map: NodeId) {
        let tree = &self.tree;
        let mut keys: Vec<(&str, NodeId, NodeId)> = Vec::new();
        let mut wrong: Vec<(NodeId, Problem)> = Vec::new();
        let mut doubles = Vec::new();
        for (key, value) in tree.pairs(map) {
            let mark = tree.mark(key);
            match tree.text(key) {
                _ if tree.hidden.contains(&key) => wrong.push((value, Problem::new("", "", mark))),
                None => {
                    let problem = Problem::new("yaml-key", "a list or mapping is written where a key belongs", mark);
                    wrong
                        .push((value, problem.help("keys are plain text; quote one that begins with `[`, `{` or `?`")));
                }
                Some(_) if tree.node(key).is_some_and(Node::is_null) => {
                    wrong.push((value, Problem::new("yaml-key", "this key is empty", mark)));
                }
                Some("<<") => {
                    let problem = Problem::new("yaml-merge", "merge keys (`<<`) are not read", mark);
                    wrong.push((
                        value,
                        problem.help("write the fields out: what a file grants should be seen where it is granted"),
                    ));
                }
                Some(text) => keys.push((text, key, value)),
            }
        }
        keys.sort_unstable();
        for same in keys.chunk_by(|(a, ..), (b, ..)| a == b) {
            let [(text, first, _), again @ ..] = same else { continue };
            for (_, second, value) in again {
                let problem = Problem::new("duplicate-key", format!("`{text}` is written twice"), tree.mark(*second))
                    .related(tree.mark(*first), "first written here")
                    .help("merge the two, or rename one");
                wrong.push((*value, problem));
                doubles.push(*value);
            }
        }
        self.tree.doubles.extend(doubles);
        for (value, problem) in wrong {
            self.tree.hidden.insert(value);
            if !problem.code.is_empty() {
                self.tree.problems.push(problem);
            }
        }
    }
}

/// The place of an event: from its start to its end, or to the end of its first line.
fn mark(span: &Span) -> Mark {
    let length = if span.end.line() == span.start.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    Mark {
        line: u32::try_from(span.start.line()).unwrap_or(u32::MAX),
        column: short(span.start.col() + 1),
        length: short(length.max(1)),
    }
}

fn one(span: &Span) -> Mark {
    Mark { length: 1, ..mark(span) }
}
