//! From what is wanted and what lookup servers know to the node that has it.

use std::{collections::BTreeMap, fmt::Write};

use gaffer_client::Endpoint;
use gaffer_core::{
    JobName,
    api::lookup::{LookupJob, NodeInfo},
};

use super::Want;
use crate::Failure;

/// What lookup servers know of jobs.
#[derive(Clone, Debug)]
pub struct Known {
    jobs: Vec<(JobName, Vec<NodeInfo>)>,
    /// Who was asked.
    servers: Vec<Endpoint>,
}

/// Nodes by their origins and names. Those of one origin are several, too: they may each have meant their own machine by it.
type Nodes<'a> = BTreeMap<(&'a str, &'a str), &'a NodeInfo>;

/// Why there is no one node for all that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// No node has this.
    Nowhere {
        /// What is wanted.
        what: Want,
        /// Who was asked.
        servers: Vec<Endpoint>,
    },
    /// Several nodes have it.
    Several {
        /// What is wanted.
        what: Vec<Want>,
        /// The nodes.
        nodes: Vec<NodeInfo>,
    },
    /// Each of it is somewhere, but no node has all of it.
    Apart(Vec<(Want, Vec<NodeInfo>)>),
}

impl Known {
    /// What these servers have answered. Names that can be none of jobs are left out: nothing can be done with such.
    pub fn new(jobs: Vec<LookupJob>, servers: Vec<Endpoint>) -> Self {
        let job = |LookupJob { name, sources }: LookupJob| {
            Some((name.parse().ok()?, sources.into_iter().map(|source| source.node_info).collect()))
        };
        Self { jobs: jobs.into_iter().filter_map(job).collect(), servers }
    }

    /// The names of all jobs.
    pub fn jobs(&self) -> impl Iterator<Item = &JobName> {
        self.jobs.iter().filter(|(_, nodes)| !nodes.is_empty()).map(|(name, _)| name)
    }

    /// The node that has all of it.
    ///
    /// # Errors
    /// When none has, or several do. Of what means any number of jobs no other node may have any.
    pub fn one(&self, wanted: &[Want]) -> Result<&NodeInfo, NotOne> {
        let places = wanted.iter().map(|want| Ok((want, self.nodes(want)?))).collect::<Result<Vec<_>, NotOne>>()?;
        let mut common = places.first().map(|(_, nodes)| nodes.clone()).unwrap_or_default();
        common.retain(|node, _| places.iter().all(|(_, nodes)| nodes.contains_key(node)));
        if common.len() > 1 {
            return Err(NotOne::Several { what: wanted.to_vec(), nodes: listed(&common) });
        }
        let Some(node) = common.into_values().next() else {
            return Err(NotOne::Apart(places.iter().map(|(want, nodes)| ((*want).clone(), listed(nodes))).collect()));
        };
        match places.iter().find(|(want, nodes)| want.is_collective() && nodes.len() > 1) {
            Some((want, nodes)) => Err(NotOne::Several { what: vec![(*want).clone()], nodes: listed(nodes) }),
            None => Ok(node),
        }
    }

    /// All nodes that have any of it.
    ///
    /// # Errors
    /// When none has.
    pub fn all(&self, want: &Want) -> Result<Vec<NodeInfo>, NotOne> {
        self.nodes(want).map(|nodes| listed(&nodes))
    }

    fn nodes(&self, want: &Want) -> Result<Nodes<'_>, NotOne> {
        let of_jobs = self.jobs.iter().filter(|(name, _)| want.means(name)).flat_map(|(_, nodes)| nodes);
        let nodes: Nodes<'_> = of_jobs.map(|node| ((node.origin.as_str(), node.name.as_str()), node)).collect();
        if nodes.is_empty() {
            return Err(NotOne::Nowhere { what: want.clone(), servers: self.servers.clone() });
        }
        Ok(nodes)
    }
}

fn listed(nodes: &Nodes<'_>) -> Vec<NodeInfo> {
    nodes.values().map(|node| (*node).clone()).collect()
}

impl NotOne {
    /// What to tell the person, who names nodes by this option.
    pub fn failure(&self, node_option: &str) -> Failure {
        let choose = format!("`{node_option} ORIGIN` in place of `--lookupd` chooses one");
        match self {
            Self::Nowhere { what, servers } => {
                let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
                Failure::NotFound(format!("no node has {what}, as far as is known at {}", servers.join(", ")))
            }
            Self::Several { what, nodes } => {
                let what: Vec<String> = what.iter().map(ToString::to_string).collect();
                Failure::Failed(format!("several nodes have {}: {}; {choose}", what.join(" and "), names(nodes)))
            }
            Self::Apart(places) => {
                let mut told = String::from("no node has all of it");
                for (position, (want, nodes)) in places.iter().enumerate() {
                    let separator = if position == 0 { ": " } else { "; " };
                    // Texts take everything.
                    let _: std::fmt::Result = write!(told, "{separator}{want} is at {}", names(nodes));
                }
                Failure::Failed(format!("{told}; {choose}"))
            }
        }
    }
}

fn names(nodes: &[NodeInfo]) -> String {
    let name = |NodeInfo { origin, name, .. }: &NodeInfo| format!("{origin} ({name})");
    nodes.iter().map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use gaffer_core::api::lookup::Source;

    use super::*;
    use crate::{Exit, lookup::wanted};

    fn node(name: &str) -> NodeInfo {
        NodeInfo { name: name.to_owned(), origin: format!("http://{name}:5000"), version: "0.1".to_owned() }
    }

    /// `default.web` is on `a` and `b`, `default.worker` on `a`, `shop.web` on `b`, `shop.api` on `c`; of `gone` no node is left.
    fn known() -> Known {
        let source = |name: &str| Source { name: name.to_owned(), pids: vec![], node_info: node(name) };
        let jobs = [
            ("default.web", &["a", "b"][..]),
            ("default.worker", &["a"]),
            ("shop.web", &["b"]),
            ("shop.api", &["c"]),
            ("default.gone", &[]),
            ("a name", &["a"]),
        ];
        let job = |(name, nodes): (&str, &[&str])| LookupJob {
            name: name.to_owned(),
            sources: nodes.iter().copied().map(source).collect(),
        };
        let servers = ["http://l:5010", "http://m:5010"].map(|server| server.parse().unwrap());
        Known::new(jobs.map(job).into(), servers.into())
    }

    fn one(words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match known().one(&wanted(&words).unwrap()) {
            Ok(node) => Ok(node.origin.clone()),
            Err(not_one) => Err(not_one.failure("--connect").to_string()),
        }
    }

    #[test]
    fn the_node_is_the_one_that_has_all() {
        assert_eq!(one(&["worker"]).as_deref(), Ok("http://a:5000"));
        assert_eq!(one(&["web", "worker"]).as_deref(), Ok("http://a:5000"));
        assert_eq!(one(&["shop.w*", "web", "shop.web"]).as_deref(), Ok("http://b:5000"));
    }

    #[test]
    fn what_no_node_has_is_not_found() {
        let expected = "no node has `default.nope`, as far as is known at http://l:5010, http://m:5010";
        assert_eq!(one(&["worker", "nope"]), Err(expected.to_owned()));
        assert!(one(&["gone"]).unwrap_err().starts_with("no node has `default.gone`"));
        assert!(one(&["x*"]).unwrap_err().starts_with("no node has a job that fits `x*`"));
        let nowhere = known().one(&wanted(&["nope".to_owned()]).unwrap()).unwrap_err();
        assert_eq!(nowhere.failure("--connect").exit(), Exit::NotFound);
    }

    #[test]
    fn several_nodes_are_named_to_choose_from() {
        let expected = "several nodes have `default.web`: http://a:5000 (a), http://b:5000 (b); \
                        `--connect ORIGIN` in place of `--lookupd` chooses one";
        assert_eq!(one(&["web"]), Err(expected.to_owned()));
        let told = one(&["worker", "w*"]).unwrap_err();
        assert!(told.starts_with("several nodes have a job that fits `w*`: http://a:5000 (a), http://b"), "{told}");
    }

    #[test]
    fn jobs_of_different_nodes_are_told_with_their_places() {
        let expected = "no node has all of it: `default.worker` is at http://a:5000 (a); `shop.api` is at http://c:5000 (c); \
                        `--connect ORIGIN` in place of `--lookupd` chooses one";
        assert_eq!(one(&["worker", "shop.api"]), Err(expected.to_owned()));
    }

    #[test]
    fn a_session_is_where_any_of_its_jobs_is() {
        let (known, shop) = (known(), Want::Session("shop".parse().unwrap()));
        assert_eq!(known.all(&shop), Ok(vec![node("b"), node("c")]));
        assert!(matches!(known.one(&[shop]), Err(NotOne::Several { nodes, .. }) if nodes == [node("b"), node("c")]));
        let none = known.all(&Want::Session("bank".parse().unwrap())).unwrap_err().failure("--connect").to_string();
        assert!(none.starts_with("no node has a job of `bank`"), "{none}");
    }

    #[test]
    fn jobs_that_are_nowhere_are_not_known() {
        let names: Vec<String> = known().jobs().map(JobName::short).collect();
        assert_eq!(names, ["web", "worker", "shop.web", "shop.api"]);
    }

    #[test]
    fn nodes_of_one_origin_are_several() {
        let twins = |name: &str| NodeInfo { name: name.to_owned(), ..node("a") };
        let known = Known { jobs: vec![("web".parse().unwrap(), vec![twins("x"), twins("y")])], servers: vec![] };
        let told = known.one(&[Want::Job("web".parse().unwrap())]);
        assert!(
            matches!(told, Err(NotOne::Several { nodes, .. }) if nodes.len() == 2),
            "each may mean its own machine"
        );
    }
}
