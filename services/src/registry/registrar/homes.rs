//! The nodes of Consul at which this process has an entry.
//!
//! An agent has a node of its own, so an address whose answers come from another node than before leads to several agents, as that of a
//! balancer does. What was registered at the former one is still there: with nobody to keep it passing, and nobody to remove it.

use std::collections::BTreeSet;

/// An entry that is left at a node: the agent by whose address it was made, and the node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Left {
    pub(super) agent: usize,
    pub(super) node: String,
}

/// Where our entries are. Agents are numbered from 0.
#[derive(Debug)]
pub(super) struct Homes {
    /// The node that has us, by the agent through which it was found.
    at: Vec<Option<String>>,
    left: BTreeSet<Left>,
}

impl Homes {
    pub(super) fn new(agents: usize) -> Self {
        Self { at: vec![None; agents], left: BTreeSet::new() }
    }

    /// Notes that behind the address of `agent` it is `node` that has us now. Returns the node that had us before, if it is another.
    pub(super) fn found(&mut self, agent: usize, node: String) -> Option<String> {
        self.left.retain(|left| left.node != node);
        let before = self.at[agent].replace(node.clone()).filter(|before| *before != node);
        self.left.extend(before.clone().map(|node| Left { agent, node }));
        before
    }

    /// Notes that the agent at an address was told to forget us; it `knew` us, or another one answered.
    pub(super) fn forgot(&mut self, agent: usize, knew: bool) {
        let home = self.at[agent].take();
        self.left.extend(home.filter(|_| !knew).map(|node| Left { agent, node }));
    }

    /// Entries that nobody keeps passing any more.
    pub(super) fn left(&self) -> Vec<Left> {
        self.left.iter().cloned().collect()
    }

    /// Notes that an entry is gone, or cannot be removed by us.
    pub(super) fn settled(&mut self, left: &Left) {
        self.left.remove(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(homes: &Homes) -> Vec<(usize, String)> {
        homes.left().into_iter().map(|left| (left.agent, left.node)).collect()
    }

    #[test]
    fn c6_an_address_that_leads_elsewhere_leaves_an_entry_behind() {
        let mut homes = Homes::new(1);
        assert_eq!(homes.found(0, "a".to_owned()), None);
        assert_eq!(homes.found(0, "a".to_owned()), None);
        assert_eq!(homes.found(0, "b".to_owned()), Some("a".to_owned()));
        assert_eq!(homes.found(0, "c".to_owned()), Some("b".to_owned()));
        assert_eq!(left(&homes), [(0, "a".to_owned()), (0, "b".to_owned())]);
        // Back at one of them: that entry is the good one now.
        assert_eq!(homes.found(0, "a".to_owned()), Some("c".to_owned()));
        assert_eq!(left(&homes), [(0, "b".to_owned()), (0, "c".to_owned())]);
        homes.settled(&Left { agent: 0, node: "b".to_owned() });
        homes.forgot(0, true);
        assert_eq!(left(&homes), [(0, "c".to_owned())]);
    }

    #[test]
    fn c6_an_agent_that_did_not_know_us_was_not_the_one() {
        let mut homes = Homes::new(2);
        homes.found(1, "a".to_owned());
        homes.forgot(0, false);
        assert!(left(&homes).is_empty(), "it never had us");
        homes.forgot(1, false);
        assert_eq!(left(&homes), [(1, "a".to_owned())]);
    }

    #[test]
    fn c6_a_node_that_is_home_by_another_address_is_not_left() {
        let mut homes = Homes::new(2);
        homes.found(0, "a".to_owned());
        homes.found(0, "b".to_owned());
        homes.found(1, "a".to_owned());
        assert!(left(&homes).is_empty());
    }
}
