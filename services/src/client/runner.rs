//! The calling loop: as many workers as calls may be in flight, paced by a rate, both of which may change at any time.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceExt};
use user_info_api::config::{UserClientConfig, UserClientLive};
use user_info_layers::middleware::trace::{TRACEPARENT, TraceContext};
use user_info_layers::{Call, Error, Kind};
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use super::pacer::Pacer;
use super::report::Tally;

/// Header by which a Kratos service knows its caller.
const CALLER: HeaderName = HeaderName::from_static("x-md-service-name");

/// After an error that cost no time at all (a breaker's refusal, no instance) a worker without a rate waits this long: the loop would
/// otherwise only heat the processor.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(1);

/// A `GetUserInfo` call as this program makes it: with its name, a deadline, and, unless it is `traced` further in, a trace that nobody records.
pub fn call(user_id: i64, timeout: Duration, traced: bool) -> Call<GetUserInfoRequest> {
    let mut call = Call::new(Kind::Grpc, GET_USER_INFO, GetUserInfoRequest { user_id });
    call.deadline = Some(call.received + timeout);
    // Room for what gRPC adds, so that the copy of each attempt need not grow.
    call.metadata = HeaderMap::with_capacity(6);
    call.metadata.insert(CALLER, HeaderValue::from_static(UserClientConfig::SERVICE_NAME));
    if !traced {
        call.metadata.insert(TRACEPARENT, TraceContext::root(false).header());
    }
    call
}

/// Calls a service over and over.
#[derive(Debug)]
pub struct Runner<S> {
    service: S,
    live: watch::Receiver<Arc<UserClientLive>>,
    tally: Arc<Tally>,
    traced: bool,
}

/// What the workers share.
#[derive(Debug)]
struct SharedState {
    permits: Semaphore,
    turns: AtomicUsize,
    tally: Arc<Tally>,
    traced: bool,
}

/// Settings that the workers hold to; none means to stop.
type LiveSettings = Option<Arc<UserClientLive>>;

impl<S> Runner<S>
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + 'static,
{
    /// Calls `service` as `live` says, and counts into `tally`. It begins the traces of the calls if they
    /// are `traced`.
    pub const fn new(service: S, live: watch::Receiver<Arc<UserClientLive>>, tally: Arc<Tally>, traced: bool) -> Self {
        Self { service, live, tally, traced }
    }

    /// Runs until `shutdown`, then waits for the calls in flight.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let shared =
            SharedState { permits: Semaphore::new(0), turns: AtomicUsize::new(0), tally: Arc::clone(&self.tally), traced: self.traced };
        let shared = Arc::new(shared);
        let live = Arc::clone(&self.live.borrow_and_update());
        let mut pacer = Pacer::new(live.requests_per_second, Instant::now());
        let (settings, _) = watch::channel(Some(live));
        let (mut workers, mut running) = (JoinSet::new(), BTreeSet::new());
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            self.fill(&mut workers, &mut running, &settings, &shared);
            let now = Instant::now();
            shared.permits.add_permits(pacer.due(shared.permits.available_permits(), now));
            let next = pacer.next(now);
            tokio::select! {
                () = &mut shutdown => break,
                () = sleep_until(next.unwrap_or(now)), if next.is_some() => {}
                Ok(()) = self.live.changed() => {
                    let live = Arc::clone(&self.live.borrow_and_update());
                    if live.requests_per_second != pacer.rate() {
                        shared.permits.forget_permits(Semaphore::MAX_PERMITS);
                        pacer = Pacer::new(live.requests_per_second, Instant::now());
                    }
                    settings.send_replace(Some(live));
                }
                Some(ended) = workers.join_next() => {
                    if let Ok(index) = ended {
                        running.remove(&index);
                    }
                }
            }
        }
        settings.send_replace(None);
        while workers.join_next().await.is_some() {}
    }

    /// Starts the workers that are missing.
    fn fill(
        &self,
        workers: &mut JoinSet<usize>,
        running: &mut BTreeSet<usize>,
        settings: &watch::Sender<LiveSettings>,
        shared: &Arc<SharedState>,
    ) {
        let wanted = settings.borrow().as_ref().map_or(0, |live| usize::from(live.concurrency));
        if running.len() >= wanted {
            return;
        }
        for index in (0..wanted).filter(|i| !running.contains(i)).collect::<Vec<_>>() {
            running.insert(index);
            workers.spawn(work(index, self.service.clone(), settings.subscribe(), Arc::clone(shared)));
        }
    }
}

/// Makes one call after the other while there is a place for worker `index`; returns the index.
async fn work<S>(index: usize, mut service: S, mut settings: watch::Receiver<LiveSettings>, shared: Arc<SharedState>) -> usize
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + 'static,
{
    loop {
        let Some(live) = settings.borrow_and_update().clone().filter(|live| index < usize::from(live.concurrency)) else { return index };
        let paced = live.requests_per_second > 0;
        if paced {
            tokio::select! {
                permit = shared.permits.acquire() => permit.map_or((), tokio::sync::SemaphorePermit::forget),
                _ = settings.changed() => continue,
            }
        }
        let user = live.user_ids[shared.turns.fetch_add(1, Relaxed) % live.user_ids.len()];
        let call = call(user, live.timeout.get(), shared.traced);
        let begun = call.received;
        let result = match service.ready().await {
            Ok(service) => service.call(call).await,
            Err(error) => Err(error),
        };
        shared.tally.record(user, &result, begun.elapsed());
        if !paced && result.is_err_and(|e| e == Error::CIRCUITBREAKER || e == Error::NO_AVAILABLE_NODE) {
            sleep(PAUSE_AFTER_REFUSAL).await;
        }
        // A reply that was there at once must not keep the others from running.
        tokio::task::consume_budget().await;
    }
}
