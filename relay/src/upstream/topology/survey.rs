//! Which servers a relay with these settings would use now, for `chat-relay check`: found in the way
//! of relays, by the same code.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::config::{Endpoint, RedisSettings, Servers};
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::Problem;
use crate::upstream::topology::cluster_view::ClusterView;
use crate::upstream::topology::sentinel::{Primary, Sentinels};
use crate::upstream::topology::topology::{Look, look};

/// Longest wait for Sentinels to name a primary.
const SENTINELS_TIMEOUT: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The primaries, with the slots of each where there is a cluster.
    pub(crate) primaries: Vec<Surveyed>,
    /// What the nodes say of their cluster, if there is one.
    pub(crate) coverage: Option<Coverage>,
    /// Servers of the settings that cannot be used, while others can.
    pub(crate) unusable: Vec<(Endpoint, Problem)>,
}

/// A primary.
#[derive(Debug)]
pub(crate) struct Surveyed {
    /// Where it is.
    pub(crate) endpoint: Endpoint,
    /// How it runs.
    pub(crate) mode: Mode,
    /// Its slots; all of them without a cluster.
    pub(crate) slots: Vec<std::ops::RangeInclusive<u16>>,
}

/// Whether a cluster is whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coverage {
    /// Whether the nodes find it in order.
    pub(crate) is_ok: bool,
    /// Slots that have an owner.
    pub(crate) slots: usize,
}

/// Finds the servers.
pub(crate) async fn survey(redis: &RedisSettings, relay: &str) -> Result<Survey, Problem> {
    let dialler = Dialler::to_redis(redis, relay);
    let seeds = match &redis.servers {
        Servers::Seeds(seeds) => seeds,
        Servers::Sentinel { sentinels, master } => {
            let to_sentinels = Dialler::to_sentinels(redis, relay);
            let sentinels = Sentinels::new(to_sentinels, Arc::new(dialler), sentinels, master);
            return Ok(Survey::of_one(primary_of(&sentinels).await?));
        }
    };
    match look(Vec::new(), seeds.clone(), &dialler).await {
        Look::Nothing(problem) => Err(problem),
        Look::Standalone(endpoint) if seeds.len() == 1 => Ok(Survey::of_one(endpoint)),
        Look::Standalone(endpoint) => Err(Problem::ManyServers(endpoint.to_string())),
        Look::Cluster(view) => {
            Ok(Survey { unusable: unusable(&dialler, seeds).await, ..Survey::of_cluster(&view) })
        }
    }
}

async fn primary_of(sentinels: &Sentinels) -> Result<Endpoint, Problem> {
    let mut primary = sentinels.primary();
    let named = async {
        let is_known = |primary: &Primary| matches!(primary, Primary::At(_));
        let _ = primary.wait_for(is_known).await;
    };
    tokio::select! {
        _ = timeout(SENTINELS_TIMEOUT, named) => {}
        () = sentinels.run() => {}
    }
    match sentinels.primary().borrow().clone() {
        Primary::At(endpoint) => Ok(endpoint),
        Primary::Unknown(problem) => Err(problem),
    }
}

/// Those servers of a cluster that cannot be used.
async fn unusable(dialler: &Dialler, seeds: &[Endpoint]) -> Vec<(Endpoint, Problem)> {
    let dialled = seeds.iter().map(|seed| async move {
        let problem = match dialler.dial(seed).await {
            Err(problem) => problem,
            Ok((_, greeting)) if greeting.mode == Mode::Cluster => return None,
            Ok((_, greeting)) => Problem::Mode(greeting.mode),
        };
        Some((seed.clone(), problem))
    });
    join_all(dialled).await.into_iter().flatten().collect()
}

impl Survey {
    fn of_one(endpoint: Endpoint) -> Survey {
        let slots = vec![0..=u16::MAX];
        let primary = Surveyed { endpoint, mode: Mode::Standalone, slots };
        Survey { primaries: vec![primary], coverage: None, unusable: Vec::new() }
    }

    fn of_cluster(view: &ClusterView) -> Survey {
        let endpoints: BTreeSet<&Endpoint> =
            view.ranges.iter().map(|range| &range.endpoint).collect();
        let primaries = endpoints.into_iter().map(|endpoint| Surveyed {
            endpoint: endpoint.clone(),
            mode: Mode::Cluster,
            slots: view
                .ranges
                .iter()
                .filter(|range| range.endpoint == *endpoint)
                .map(|range| range.first..=range.last)
                .collect(),
        });
        let slots = view.ranges.iter().map(|range| usize::from(range.last - range.first) + 1);
        let coverage = Coverage { is_ok: view.is_ok, slots: slots.sum() };
        Survey { primaries: primaries.collect(), coverage: Some(coverage), unusable: Vec::new() }
    }
}
