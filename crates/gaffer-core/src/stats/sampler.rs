//! Reads real processes.

use std::{collections::HashMap, time::Duration};

use super::{
    descriptors::Descriptors,
    figures::{ProcessStats, Usage},
    process::Lost,
    roster::{Member, StatsSource},
    tree::Tree,
};
use crate::names::ProcessId;

/// Reads what processes and their descendants use, and remembers each so that the next reading is cheap and tells what
/// was used in between.
///
/// It keeps two descriptors per process, within a quarter of the soft limit on descriptors; beyond that, files are
/// opened for each reading. Dropping it closes all of them.
///
/// A process that was found gone stays so for as long as it is asked for: whatever has its number then is another.
///
/// All methods read files, so not for a thread that drives tasks.
#[derive(Debug)]
pub struct Sampler {
    processes: HashMap<ProcessId, Known>,
    descriptors: Descriptors,
    starved: bool,
}

#[derive(Debug)]
enum Known {
    Alive(Box<Tree>),
    Gone,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// A sampler that knows no process yet.
    pub fn new() -> Self {
        Self::with(Descriptors::share())
    }

    pub(super) fn with(descriptors: Descriptors) -> Self {
        Self { processes: HashMap::new(), descriptors, starved: false }
    }

    /// Reads one process and its descendants; `None` once it is gone. Of one that may not be read only the numbers are
    /// known.
    pub fn read(&mut self, member: &Member) -> Option<ProcessStats> {
        self.read_with(member, Tree::read)
    }

    /// As [`Sampler::read`], without a look for descendants.
    pub fn read_alone(&mut self, member: &Member) -> Option<ProcessStats> {
        self.read_with(member, |tree, descriptors, _| tree.read_alone(descriptors))
    }

    fn read_with(
        &mut self,
        member: &Member,
        read: impl FnOnce(&mut Tree, &Descriptors, &mut bool) -> Result<Usage, Lost>,
    ) -> Option<ProcessStats> {
        if self.starved {
            self.close_all();
        }
        let known = self.processes.remove(&member.pid);
        let result = self.find(member, known).and_then(|mut tree| {
            let usage = read(&mut tree, &self.descriptors, &mut self.starved);
            match usage {
                Err(Lost::Gone) => {}
                _ => drop(self.processes.insert(member.pid, Known::Alive(tree))), // Nothing: it was taken out above.
            }
            usage
        });
        let usage = match result {
            Ok(usage) => usage,
            Err(Lost::Gone) => {
                self.processes.insert(member.pid, Known::Gone);
                return None;
            }
            Err(lost) => {
                self.starved |= lost == Lost::Starved;
                Usage::unknown(member.os_pid)
            }
        };
        Some(ProcessStats { pid: member.pid, usage })
    }

    fn find(&self, member: &Member, known: Option<Known>) -> Result<Box<Tree>, Lost> {
        match known {
            Some(Known::Alive(tree)) => Ok(tree),
            Some(Known::Gone) => Err(Lost::Gone),
            None => Tree::open(member.os_pid, &self.descriptors, |stat| {
                member.start_time.is_none_or(|start_time| start_time == stat.start_time)
            })
            .map(Box::new),
        }
    }

    /// Gives all descriptors back, for good: when there are too few, others need them more.
    fn close_all(&mut self) {
        tracing::debug!("too few file descriptors; statistics open their files for each reading from now on");
        self.starved = false;
        self.descriptors = Descriptors::at_most(0);
        for known in self.processes.values_mut() {
            if let Known::Alive(tree) = known {
                tree.close();
            }
        }
    }
}

impl StatsSource for Sampler {
    fn sample(&mut self, members: &[Member]) -> Vec<Option<ProcessStats>> {
        let stats = members.iter().map(|member| self.read(member)).collect();
        let asked: std::collections::HashSet<_> = members.iter().map(|member| member.pid).collect();
        self.processes.retain(|pid, _| asked.contains(pid));
        stats
    }
}

/// Reads processes once, their processor use over `window`: two readings that far apart, 0.1 s to be as the original.
/// Those that end meanwhile are left out.
///
/// Files are read on the runtime's threads for blocking work, and no thread waits for the window to pass. Needs a
/// tokio runtime with time enabled.
///
/// # Cancel safety
/// Nothing is lost but the reading.
pub async fn sample_once(members: Vec<Member>, window: Duration) -> Vec<ProcessStats> {
    if members.is_empty() {
        return Vec::new();
    }
    let first = tokio::task::spawn_blocking(move || {
        let mut sampler = Sampler::new();
        sampler.sample(&members);
        (sampler, members)
    });
    let Ok((mut sampler, members)) = first.await else { return Vec::new() }; // The runtime is shutting down.
    tokio::time::sleep(window).await;
    let second = tokio::task::spawn_blocking(move || sampler.sample(&members)).await;
    second.unwrap_or_default().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::testing::{Child, wait_until};

    /// As short as the processor use of a busy process can be told.
    const WINDOW: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_busy_process_is_busy_and_a_sleeping_one_is_not() {
        let busy = Child::shell("while :; do :; done");
        let asleep = Child::shell("exec sleep 1000");
        wait_until("one is seen busy, the other asleep", async || {
            let before = busy.scheduled();
            let stats = sample_once(vec![busy.member(1), asleep.member(2)], WINDOW).await;
            // On a machine with more to do than processors nobody gets all of one: what it got of what it wanted.
            let (ran, waited) = (busy.scheduled().0 - before.0, busy.scheduled().1 - before.1);
            let possible = 100.0 * ran / (ran + waited);
            let [busy, asleep] = &stats[..] else { panic!("{stats:?}") };
            assert_eq!((busy.pid.get(), asleep.pid.get()), (1, 2));
            let (busy, asleep) = (&busy.usage, &asleep.usage);
            let program = (busy.cmdline.as_deref(), asleep.cmdline.as_deref()) == (Some("sh"), Some("sleep"));
            let near = |cpu: f64| cpu > possible * 0.5 && cpu < possible * 1.5;
            program && busy.cpu.is_some_and(near) && asleep.cpu < Some(possible * 0.1)
        })
        .await;
    }

    #[tokio::test]
    async fn memory_is_about_what_the_process_allocated() {
        const SIZE: usize = 64 << 20;
        let mut hoarder = Child::shell(&format!("exec tail -c {SIZE}")); // Keeps all until its input ends.
        hoarder.feed(&vec![0; SIZE]);
        wait_until("64 MiB are resident", async || {
            let stats = sample_once(vec![hoarder.member(1)], Duration::ZERO).await;
            let usage = &stats[0].usage;
            let (rss, vms) = (usage.rss.unwrap(), usage.vms.unwrap());
            assert!(rss < 4 * SIZE as u64 && rss <= vms, "{usage:?}");
            rss >= SIZE as u64 && usage.mem > Some(0.0) && usage.mem < Some(100.0)
        })
        .await;
    }

    #[tokio::test]
    async fn a_process_has_its_user_age_and_niceness() {
        let child = Child::shell("exec sleep 1000");
        let now = super::super::clock::boot_time() + super::super::clock::since_boot().as_secs_f64();
        let stats = sample_once(vec![child.member(1)], Duration::ZERO).await;
        let usage = &stats[0].usage;
        let me = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name;
        assert_eq!(usage.username.as_deref(), Some(&*me));
        let age = now - usage.create_time.unwrap();
        assert!((-0.1..60.0).contains(&age), "{age}");
        assert!(usage.nice.is_some() && usage.cpu_time < Some(Duration::from_secs(10)), "{usage:?}");
    }

    #[test]
    fn children_come_and_go_and_have_children() {
        for room in [0, 100] {
            let mut shell = Child::shell("sleep 1000 & (sleep 1000; :) & read line; kill $!; wait $!; read line");
            let mut sampler = Sampler::with(Descriptors::at_most(room));
            let member = shell.member(1);
            let mut shape = move || {
                let usage = sampler.read(&member).unwrap().usage;
                let mut shape: Vec<_> = usage.children.iter().map(|child| child.children.len()).collect();
                shape.sort_unstable();
                shape
            };
            wait_until_blocking("two children, one of which has one", || shape() == [0, 1]);
            shell.feed(b"\n"); // Ends the second, whose child goes to someone else.
            wait_until_blocking("one child", || shape() == [0]);
        }
    }

    #[test]
    fn children_of_any_thread_are_found() {
        let child = std::thread::spawn(|| Child::shell("exec sleep 1000")).join().unwrap();
        let stays = std::sync::mpsc::channel::<()>();
        let (made, making) = std::sync::mpsc::channel();
        let parent = std::thread::spawn(move || {
            made.send(Child::shell("exec sleep 1000")).unwrap();
            let _ = stays.1.recv(); // Ends when the other side is dropped.
        });
        let of_thread = making.recv().unwrap();
        let this = crate::names::OsPid::new(nix::unistd::getpid().as_raw()).unwrap();
        let member = Member::new(ProcessId::new(1), this, "web".parse().unwrap());
        let usage = Sampler::new().read(&member).unwrap().usage;
        for expected in [&child, &of_thread] {
            assert!(usage.children.iter().any(|found| found.os_pid == expected.os_pid()), "{usage:?}");
        }
        drop(stays.0);
        parent.join().unwrap();
    }

    #[test]
    fn one_that_is_gone_does_not_hide_the_others_and_stays_gone() {
        let mut ends = Child::shell("exec sleep 1000");
        let stays = Child::shell("exec sleep 1000");
        let members = [ends.member(1), stays.member(2)];
        let mut sampler = Sampler::new();
        let alive = |sampler: &mut Sampler| sampler.sample(&members).iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(alive(&mut sampler), [true, true]);
        ends.end();
        assert_eq!(alive(&mut sampler), [false, true]);
        assert_eq!(alive(&mut sampler), [false, true]);
        // As if the number belonged to another process by now.
        let reused = Member { os_pid: stays.os_pid(), ..members[0].clone() };
        assert_eq!(sampler.sample(std::slice::from_ref(&reused)), [None]);
        // Once nobody asked for it any more it is forgotten.
        sampler.sample(&[]);
        assert!(sampler.processes.is_empty() && sampler.read(&reused).is_some());
    }

    #[test]
    fn a_start_time_that_differs_is_another_process() {
        let child = Child::shell("exec sleep 1000");
        let wrong = Member { start_time: Some(1), ..child.member(1) };
        assert_eq!(Sampler::new().read(&wrong), None);
        let line = std::fs::read(format!("/proc/{}/stat", child.os_pid())).unwrap();
        let start_time = super::super::sample::Stat::parse(&line).map(|stat| stat.start_time);
        assert!(Sampler::new().read(&Member { start_time, ..child.member(1) }).is_some());
    }

    #[test]
    fn a_sampler_that_starved_keeps_no_descriptor_and_goes_on() {
        let child = Child::shell("exec sleep 1000");
        let member = child.member(1);
        let mut sampler = Sampler::with(Descriptors::at_most(2));
        let before = sampler.read(&member).unwrap().usage;
        sampler.starved = true;
        let after = sampler.read(&member).unwrap().usage;
        assert!(!sampler.starved);
        assert_eq!((before.create_time, before.os_pid), (after.create_time, after.os_pid)); // The same `Process`.
    }

    /// As [`wait_until`], where there is no runtime.
    fn wait_until_blocking(what: &str, mut condition: impl FnMut() -> bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(wait_until(what, async || condition()));
    }
}
