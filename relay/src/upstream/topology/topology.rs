//! Topology: asking who owns which slots, and when to ask.
//!
//! Up to three nodes are asked at a time, because one that is frozen or cut off still claims what it
//! has lost (`cluster_view.rs` chooses). If none of them answers, the servers of the settings are
//! asked, their names resolved anew. What a server is (standalone, of a cluster, a sentinel) it says
//! itself, so it needs no setting.
//!
//! A look is made when something shows that the map may be wrong, and every ten seconds. Looks have
//! a pause between them, longer while they change nothing, and chance in it: else all relays would
//! ask at the same moment.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rand::Rng;
use rand::seq::SliceRandom;
use redis::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::config::Endpoint;
use crate::metrics::METRICS;
use crate::upstream::commands;
use crate::upstream::connection::{Closing, Connection, Nothing, Purpose};
use crate::upstream::dialling::dial::Dialler;
use crate::upstream::dialling::greeting::Mode;
use crate::upstream::health::{Problem, denied_command};
use crate::upstream::nodes::node::Node;
use crate::upstream::topology::cluster_view::{self, ClusterView};

/// Servers that are asked at a time.
const ASKED: usize = 3;
/// Longest wait for an answer, once there is a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How much longer than the first good answer the others may take, and than the first answer of a
/// cluster that is not in order: its nodes may soon say more, and the next look asks them again.
const OTHERS_TIMEOUT: Duration = Duration::from_millis(200);
const OTHERS_OF_FAILED: Duration = Duration::from_millis(500);
/// The first pause between looks, and the longest while the cluster may just be failing over.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_FAILOVER: Duration = Duration::from_millis(400);
/// Looks in vain after which it is not a failover any more, and the longest pause then.
const FAILOVER_LOOKS: u32 = 60;
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Pause between looks that nothing has asked for.
const INTERVAL: Duration = Duration::from_secs(10);
/// After this time without a demand, looks in vain count no more.
const CALM: Duration = Duration::from_secs(5);

/// What a look has shown.
#[derive(Debug)]
pub(in crate::upstream) enum Look {
    /// The server at this address stands alone.
    Standalone(Endpoint),
    /// A cluster, of which this is to be believed.
    Cluster(ClusterView),
    /// Nothing that can be used.
    Nothing(Problem),
}

/// What is known before a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Known {
    /// Nothing, or nodes that own slots cannot be used: look again and again.
    InDoubt,
    /// A cluster in order.
    Cluster,
    /// A server that stands alone and owns all slots as long as it does.
    OneServer,
}

/// When to look: soon after something asks for it, and from time to time.
pub(in crate::upstream) struct Pace {
    last: Option<Instant>,
    /// Looks that have changed nothing, one after the other.
    in_vain: u32,
}

impl Pace {
    /// The first look is due at once.
    pub(in crate::upstream) fn new() -> Pace {
        Pace { last: None, in_vain: 0 }
    }

    /// Returns when the next look is due: some time after the last, and when something demands it
    /// or it is in doubt.
    pub(in crate::upstream) async fn wait(&mut self, demand: &Notify, known: Known) {
        let Some(last) = self.last else { return };
        sleep_until(last + by_chance(self.pause())).await;
        match known {
            Known::InDoubt => {}
            Known::Cluster => _ = timeout(by_chance(INTERVAL), demand.notified()).await,
            Known::OneServer => demand.notified().await,
        }
        self.note_calm(last.elapsed());
    }

    /// Notes how long nothing has asked for a look.
    fn note_calm(&mut self, calm: Duration) {
        if calm >= CALM {
            // A trouble that begins now has nothing to do with the looks before.
            self.in_vain = 0;
        }
    }

    /// Notes a look.
    pub(in crate::upstream) fn note(&mut self, has_changed: bool) {
        self.in_vain = if has_changed { 0 } else { self.in_vain.saturating_add(1) };
        self.last = Some(Instant::now());
    }

    /// Notes that nothing is gained by looking often.
    pub(in crate::upstream) fn slow_down(&mut self) {
        self.in_vain = self.in_vain.max(FAILOVER_LOOKS);
    }

    fn pause(&self) -> Duration {
        let longest = if self.in_vain < FAILOVER_LOOKS { PAUSE_FAILOVER } else { PAUSE_MAX };
        (PAUSE_FIRST * 2_u32.pow(self.in_vain.min(10))).min(longest)
    }
}

/// Somewhat more or less than this.
fn by_chance(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random_range(0.75..=1.25))
}

/// Looks: asks some of these nodes, and if none of them knows a cluster in order, the servers of
/// the settings.
pub(in crate::upstream) async fn look(
    mut nodes: Vec<Arc<Node>>,
    mut seeds: Vec<Endpoint>,
    dialler: &Dialler,
) -> Look {
    METRICS.topology_refreshes.increment(1);
    nodes.shuffle(&mut rand::rng());
    nodes.truncate(ASKED);
    let mut answers = gather(nodes.iter().map(|node| ask_node(node)).collect(), None).await;
    seeds.shuffle(&mut rand::rng());
    for seeds in seeds.chunks(ASKED) {
        if answers.iter().any(is_good) {
            break;
        }
        let asked = seeds.iter().map(|seed| ask_server(dialler, seed)).collect();
        // A seed that does not answer must not delay what is known of the cluster.
        let patience = answers.iter().any(is_view).then_some(OTHERS_OF_FAILED);
        answers.extend(gather(asked, patience).await);
    }
    conclude(answers)
}

/// The answers to all these questions within this time; those that take much longer than the first
/// one of a cluster are left out.
async fn gather(
    mut questions: FuturesUnordered<impl Future<Output = Result<Look, Problem>>>,
    patience: Option<Duration>,
) -> Vec<Result<Look, Problem>> {
    let mut answers = Vec::new();
    let mut until = patience.map(|patience| Instant::now() + patience);
    loop {
        let next = questions.next();
        let answer = match until {
            None => next.await,
            Some(until) => timeout_at(until, next).await.unwrap_or(None),
        };
        let Some(answer) = answer else { return answers };
        let others = match (is_good(&answer), is_view(&answer)) {
            (true, _) => Some(Instant::now() + OTHERS_TIMEOUT),
            (false, true) => Some(Instant::now() + OTHERS_OF_FAILED),
            (false, false) => None,
        };
        until = [until, others].into_iter().flatten().min();
        answers.push(answer);
    }
}

fn is_view(answer: &Result<Look, Problem>) -> bool {
    matches!(answer, Ok(Look::Cluster(_)))
}

fn is_good(answer: &Result<Look, Problem>) -> bool {
    match answer {
        Ok(Look::Standalone(_)) => true,
        Ok(Look::Cluster(view)) => view.is_ok,
        Ok(Look::Nothing(_)) | Err(_) => false,
    }
}

/// What several answers say together. Those of clusters count first.
fn conclude(answers: Vec<Result<Look, Problem>>) -> Look {
    let (mut views, mut standalone, mut problem) = (Vec::new(), None, None);
    for answer in answers {
        match answer {
            Ok(Look::Cluster(view)) => views.push(view),
            Ok(Look::Standalone(endpoint)) => standalone = Some(endpoint),
            Ok(Look::Nothing(found)) => problem = Some(found),
            // What a server has said says more than that another does not answer.
            Err(found @ Problem::Unreachable(_)) => problem = problem.or(Some(found)),
            Err(found) => problem = Some(found),
        }
    }
    match (cluster_view::best(views), standalone, problem) {
        (Some(view), ..) => Look::Cluster(view),
        (None, Some(endpoint), _) => Look::Standalone(endpoint),
        (None, None, Some(problem)) => Look::Nothing(problem),
        (None, None, None) => Look::Nothing(Problem::Unreachable("no server answers".to_owned())),
    }
}

/// Asks a node over its link.
async fn ask_node(node: &Node) -> Result<Look, Problem> {
    let silent = || Problem::Unreachable(format!("{} does not answer", node.endpoint));
    let link = node.link().ok_or_else(silent)?;
    let questions = [commands::cluster_slots(), commands::cluster_info()];
    let replies = timeout(ANSWER_TIMEOUT, link.ask(&questions)).await;
    read(&replies.ok().flatten().ok_or_else(silent)?, &node.endpoint)
}

/// Asks a server over a connection of its own.
async fn ask_server(dialler: &Dialler, endpoint: &Endpoint) -> Result<Look, Problem> {
    let (stream, greeting) = dialler.dial(endpoint).await?;
    match greeting.mode {
        // Its user need not be allowed to ask about clusters.
        Mode::Standalone => return Ok(Look::Standalone(endpoint.clone())),
        Mode::Sentinel => return Err(Problem::Sentinel),
        Mode::Cluster => {}
    }
    let connection = Connection::start(stream, Purpose::Commands, &Closing::new(), Nothing);
    let questions = [commands::cluster_slots(), commands::cluster_info()];
    let replies = timeout(ANSWER_TIMEOUT, connection.call(&questions)).await;
    let silent = || Problem::Unreachable(format!("{endpoint}: it does not answer"));
    read(&replies.ok().flatten().ok_or_else(silent)?, endpoint)
}

/// The view in the replies of the node at `asked`.
fn read(replies: &[Value], asked: &Endpoint) -> Result<Look, Problem> {
    let [slots, info] = replies else { return Err(unreadable()) };
    if let Some(Value::ServerError(error)) =
        [slots, info].into_iter().find(|reply| matches!(reply, Value::ServerError(_)))
    {
        let details = error.details().unwrap_or("");
        return match denied_command(details) {
            _ if details.contains("cluster support disabled") => {
                Ok(Look::Standalone(asked.clone()))
            }
            Some(command) => Err(Problem::Command(command.to_owned())),
            None => Err(Problem::Unreachable(format!("{} {details}", error.code()))),
        };
    }
    let view = ClusterView::read(slots, info, asked).map_err(|_| unreadable())?;
    Ok(Look::Cluster(view))
}

fn unreadable() -> Problem {
    Problem::Unreachable("what it says of its cluster cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_was_in_order_for_long_is_looked_at_often_when_it_fails() {
        let mut pace = Pace::new();
        for _ in 0..2 * FAILOVER_LOOKS {
            pace.note_calm(INTERVAL.mul_f64(0.75));
            pace.note(false);
        }
        for _ in 0..FAILOVER_LOOKS - 2 {
            pace.note_calm(pace.pause());
            pace.note(false);
            assert!(pace.pause() <= PAUSE_FAILOVER);
        }
        for _ in 0..2 {
            pace.note_calm(pace.pause());
            pace.note(false);
        }
        assert_eq!(pace.pause(), PAUSE_MAX, "it lasts");
    }

    #[tokio::test]
    async fn servers_that_are_silent_do_not_delay_the_view_of_others() {
        let view = |is_ok| ClusterView { epoch: 1, is_ok, ranges: vec![] };
        for is_ok in [true, false] {
            let questions = (0..3).map(|number| async move {
                match number {
                    0 => Ok(Look::Cluster(view(is_ok))),
                    _ => std::future::pending().await,
                }
            });
            assert_eq!(gather(questions.collect(), None).await.len(), 1);
        }
        let silent = std::future::pending::<Result<Look, Problem>>();
        let answers = gather([silent].into_iter().collect(), Some(OTHERS_TIMEOUT)).await;
        assert_eq!(answers.len(), 0);
    }
}
