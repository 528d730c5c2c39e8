//! What processes use, as a feed.

use std::{collections::VecDeque, sync::Arc};

use gaffer_core::stats::{LegacyStatsUpdate, StatsUpdate};

use super::{
    StatsOf, StatsSample, Told,
    reader::{Subject, Unreadable},
    sse::Block,
};
use crate::{Client, transport::Call};

impl Subject for StatsOf {
    type Item = StatsSample;

    fn call(&self, client: &Client) -> Call {
        match self {
            Self::All => client.get(&["stats"]),
            Self::Job(job) => client.get(&["stats", &job.to_string()]),
            Self::Process(job, pid) => client.get(&["stats", &job.to_string(), &pid.to_string()]),
        }
    }

    fn is_of_process(&self) -> bool {
        matches!(self, Self::Process(..))
    }

    fn has_ids(&self) -> bool {
        false
    }

    fn read(&mut self, _: Block, data: &str, told: &mut VecDeque<Told<StatsSample>>) -> Result<(), Unreadable> {
        let update: LegacyStatsUpdate = serde_json::from_str(data)?;
        let StatsUpdate { job, stats } = update.try_into()?;
        told.push_back(Told::Item(StatsSample { job, process: Arc::unwrap_or_clone(stats) }));
        Ok(())
    }
}
