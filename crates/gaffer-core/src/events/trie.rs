//! A tree of words: values under paths of whole segments.
//!
//! Nodes lie in one vector and know their parent, so that a path is pruned without recursion, however long it is.

use std::{collections::HashMap, sync::Arc};

#[derive(Debug)]
pub(super) struct Trie<V> {
    /// The first one is the root, the empty path.
    nodes: Vec<Node<V>>,
    free: Vec<usize>,
}

/// Where a path ends. Valid until the node is pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeNumber(usize);

const ROOT: usize = 0;

#[derive(Debug)]
struct Node<V> {
    value: V,
    parent: usize,
    /// Its key among the children of its parent.
    segment: Arc<str>,
    children: Children,
}

/// Nodes by segment. Most nodes have few children, and to compare a few short words takes a fraction of the time that
/// the standard hasher does. That one for the others, as segments come from outside and might be chosen so that they collide.
#[derive(Debug)]
enum Children {
    Few(Vec<(Arc<str>, usize)>),
    Many(HashMap<Arc<str>, usize>),
}

/// A node that gets more children than this looks them up by hash.
const FEW: usize = 8;

impl Children {
    const NONE: Self = Self::Few(Vec::new());

    fn is_empty(&self) -> bool {
        match self {
            Self::Few(list) => list.is_empty(),
            Self::Many(map) => map.is_empty(),
        }
    }

    fn get(&self, segment: &str) -> Option<usize> {
        match self {
            Self::Few(list) => list.iter().find(|(known, _)| **known == *segment).map(|&(_, child)| child),
            Self::Many(map) => map.get(segment).copied(),
        }
    }

    /// Adds a segment that is not there yet.
    fn insert(&mut self, segment: Arc<str>, child: usize) {
        match self {
            Self::Few(list) if list.len() < FEW => list.push((segment, child)),
            Self::Few(list) => *self = Self::Many(list.drain(..).chain([(segment, child)]).collect()),
            Self::Many(map) => {
                map.insert(segment, child);
            }
        }
    }

    fn remove(&mut self, segment: &str) {
        match self {
            Self::Few(list) => list.retain(|(known, _)| **known != *segment),
            Self::Many(map) => {
                map.remove(segment);
            }
        }
        if self.is_empty() {
            *self = Self::NONE; // Gives its memory back.
        }
    }
}

impl<V: Default> Node<V> {
    fn new(parent: usize, segment: Arc<str>) -> Self {
        Self { value: V::default(), parent, segment, children: Children::NONE }
    }
}

impl<V: Default> Trie<V> {
    /// Makes a trie that has only a root.
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::new(ROOT, "".into())], free: Vec::new() }
    }

    /// Finds the node of a path; makes it, and those on the way, if it is not there.
    pub(super) fn insert<S: AsRef<str>>(&mut self, path: &[S]) -> NodeNumber {
        let mut at = ROOT;
        for segment in path {
            at = match self.nodes[at].children.get(segment.as_ref()) {
                Some(child) => child,
                None => self.add_child(at, segment.as_ref()),
            };
        }
        NodeNumber(at)
    }

    fn add_child(&mut self, parent: usize, segment: &str) -> usize {
        let segment: Arc<str> = segment.into();
        let node = Node::new(parent, Arc::clone(&segment));
        let child = match self.free.pop() {
            Some(number) => {
                self.nodes[number] = node;
                number
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.nodes[parent].children.insert(segment, child);
        child
    }

    /// The value of a node.
    pub(super) fn value_mut(&mut self, NodeNumber(number): NodeNumber) -> &mut V {
        &mut self.nodes[number].value
    }

    /// The value of a node that may have been pruned since; then it is none, or that of another node.
    pub(super) fn get_mut(&mut self, NodeNumber(number): NodeNumber) -> Option<&mut V> {
        self.nodes.get_mut(number).map(|node| &mut node.value)
    }

    /// Calls for each node whose path is a prefix of `path`, the shortest first. Takes as many look-ups as there are
    /// such nodes, however many others the trie has.
    pub(super) fn visit(&mut self, path: &[&str], mut call: impl FnMut(NodeNumber, &mut V)) {
        let mut at = ROOT;
        let mut segments = path.iter();
        loop {
            let node = &mut self.nodes[at];
            call(NodeNumber(at), &mut node.value);
            match segments.next().and_then(|&segment| node.children.get(segment)) {
                Some(child) => at = child,
                None => return,
            }
        }
    }

    /// Whether this holds for a node whose path is a prefix of `path`.
    pub(super) fn any(&self, path: &[&str], test: impl Fn(&V) -> bool) -> bool {
        let mut at = ROOT;
        let mut segments = path.iter();
        loop {
            let node = &self.nodes[at];
            if test(&node.value) {
                return true;
            }
            match segments.next().and_then(|&segment| node.children.get(segment)) {
                Some(child) => at = child,
                None => return false,
            }
        }
    }

    /// Every value.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.nodes.iter_mut().map(|node| &mut node.value)
    }

    /// Removes the node if its value is vacant and it has no children; then its parent likewise, and so on.
    pub(super) fn prune(&mut self, NodeNumber(number): NodeNumber, vacant: impl Fn(&V) -> bool) {
        let mut at = number;
        while at != ROOT && self.nodes[at].children.is_empty() && vacant(&self.nodes[at].value) {
            let parent = self.nodes[at].parent;
            let segment = Arc::clone(&self.nodes[at].segment);
            self.nodes[parent].children.remove(&segment);
            self.free.push(at);
            at = parent;
        }
    }

    /// How many nodes there are beside the root.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.nodes.len() - self.free.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_meets_the_prefixes_of_whole_segments_only() {
        let mut trie = Trie::new();
        for path in [&[][..], &["proc"], &["proc", "web"], &["proc", "web", "exit"], &["proc", "we"], &["pro"]] {
            let node = trie.insert(path);
            *trie.value_mut(node) = path.join(".");
        }
        let mut met = Vec::new();
        trie.visit(&["proc", "web", "spawn"], |_, value| met.push(value.clone()));
        assert_eq!(met, ["", "proc", "proc.web"]);
        assert!(trie.any(&["pro", "x"], |value| value == "pro"));
        assert!(!trie.any(&["pro", "x"], |value| value == "proc"));
    }

    #[test]
    fn pruning_removes_vacant_branches_and_nothing_else() {
        let mut trie = Trie::<u8>::new();
        let long = vec!["x"; 100_000];
        let leaf = trie.insert(&long);
        let kept = trie.insert(&["x", "y"]);
        *trie.value_mut(kept) = 1;
        trie.prune(leaf, |&value| value == 0);
        assert_eq!(trie.len(), 2);
        trie.prune(kept, |&value| value == 0);
        assert_eq!(trie.len(), 2);
        *trie.value_mut(kept) = 0;
        trie.prune(kept, |&value| value == 0);
        assert_eq!(trie.len(), 0);
        assert_eq!(trie.insert(&["z"]), trie.insert(&["z"]));
        assert_eq!(trie.len(), 1);
    }

    #[test]
    fn few_children_and_many_are_found_alike() {
        let mut trie = Trie::<usize>::new();
        let names = (0..3 * FEW).map(|number| number.to_string()).collect::<Vec<_>>();
        let nodes = names.iter().map(|name| trie.insert(&[name])).collect::<Vec<_>>();
        for (number, &node) in nodes.iter().enumerate() {
            *trie.value_mut(node) = number;
        }
        for (number, name) in names.iter().enumerate() {
            assert!(trie.any(&[name.as_str()], |&value| value == number));
            trie.prune(nodes[number], |_| true);
            assert_eq!(trie.len(), names.len() - number - 1);
        }
    }
}
