//! The page as a person sees and uses it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use user_info_local::page::Edit;
use user_info_local::view::Snapshot;

use crate::browser::Browser;
use crate::serve::{self, Page};

/// How many charts have drawn what they show.
const CHARTS: &str = "['calls', 'codes', 'latency', 'breaker']
    .filter((c) => document.querySelector(`#${c}-chart svg.main-svg :is(.scatterlayer .trace path, .heatmaplayer image)`)).length";
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const SPACE: &str = " ";

async fn opened() -> (Page, Browser) {
    let (page, browser) = (Page::start().await, Browser::start().await);
    browser.emulate(1280, 900, "light").await;
    browser.open(&page.url()).await;
    browser.wait(CHARTS, 4).await;
    (page, browser)
}

/// Takes the next edit and answers it.
async fn answer(page: &mut Page, reply: Result<i64, Vec<String>>) -> Value {
    let Edit { patch, reply: to } = timeout(Duration::from_secs(20), page.edits.recv()).await.expect("an edit").unwrap();
    to.send(reply).unwrap();
    patch
}

fn text(selector: &str) -> String {
    format!("document.querySelector('{selector}').textContent")
}

fn select(selector: &str) -> String {
    format!("((field) => (field.focus(), field.select()))(document.querySelector('{selector}'))")
}

#[tokio::test]
async fn shows_everything_at_desk_and_phone_width_in_light_and_dark() {
    let (page, browser) = opened().await;
    for (width, scheme) in [(1280, "light"), (1280, "dark"), (360, "light"), (360, "dark")] {
        browser.emulate(width, 800, scheme).await;
        browser.open(&page.url()).await;
        browser.wait(CHARTS, 4).await;
        browser.wait("document.querySelectorAll('.tile').length", 4).await;
        browser.wait(&format!("document.documentElement.scrollWidth <= {width}"), true).await;
        assert_eq!(browser.eval("document.querySelectorAll('[data-path]').length").await, 12);
        assert_eq!(browser.eval("document.querySelectorAll('#processes tr').length").await, 6);
        browser.screenshot(&format!("{width}-{scheme}")).await;
    }
    for (selector, wanted) in [
        ("#name", "demo"),
        (
            "#summary",
            "The breaker is open: of 20,060 calls a second 30 are served. The others: 20,000 × 503 CIRCUITBREAKER (the caller's own \
             breaker), 30 × 500 random error (an injected fault).",
        ),
        ("[data-key=user-client] .breaker .pill", "✕ Breaker OPEN"),
        ("[data-key=user-info-0] .tile-head .pill", "▲ Failing 50 %"),
        ("[data-key=user-info-0] .reasons", "500 random error10 /s · 50 %"),
        ("[data-key=user-info-2] .tile-head .pill", "↻ Restarting"),
        ("#breaker-summary", "open, Bounded mode, 1 % of the calls pass"),
    ] {
        assert_eq!(browser.eval(&text(selector)).await, wanted);
    }
    let unnamed =
        "[...document.querySelectorAll('input, select, button')].filter((c) => !c.labels?.length && !c.textContent && !c.ariaLabel).length";
    assert_eq!(browser.eval(unnamed).await, 0, "controls without a label");
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.quit().await;
}

#[tokio::test]
async fn follows_the_news() {
    let (page, browser) = opened().await;
    browser.wait(&text("[data-key=user-client] .breaker .pill"), "✕ Breaker OPEN").await;
    page.samples.push(serve::sample(120));
    browser.wait(&text("[data-key=user-client] .breaker .pill"), "● Breaker CLOSED").await;

    let summary = "Of 4,590 calls a second 2,295 are served. The others: 2,295 × 500 random error (an injected fault).";
    browser.wait(&text("#summary"), summary).await;

    let problem = "spec.replicas: -1 is out of range; allowed is 0 to 1000";
    let name = "<img src=x onerror=alert(1)>".to_owned();
    page.snapshot.send_replace(Arc::new(Snapshot { name: name.clone(), problem: Some(problem.to_owned()), ..serve::snapshot() }));
    let told = format!("samples/demo.yaml was not taken over: {problem}. Generation 7 stays in force until the file is mended.");
    browser.wait(&text("#problem"), told).await;
    assert_eq!(browser.eval(&text("#name")).await, name, "data is text, never markup");

    drop(page);
    browser.wait(&text("#connection"), "✕ Disconnected").await;
    browser.wait("document.querySelector('#lost').hidden", false).await;
    browser.quit().await;
}

#[tokio::test]
async fn a_preset_sends_its_patch() {
    let (mut page, browser) = opened().await;
    assert_eq!(browser.eval("document.querySelector('#preset-recover .in-force').hidden").await, true);
    browser.eval("document.querySelector('#preset-recover').click()").await;
    let patch = answer(&mut page, Ok(8)).await;
    assert_eq!(patch, json!({"faultInjection": {"enabled": false}, "rateLimiter": {"enabled": false}}));
    browser.wait(&text("#announcement"), "Recover: in force as generation 8.").await;

    let mut recovered = serve::snapshot();
    recovered.spec["faultInjection"]["enabled"] = json!(false);
    page.snapshot.send_replace(Arc::new(recovered));
    browser.wait("document.querySelector('#preset-recover .in-force').hidden", false).await;
    browser.wait("document.querySelector('[data-path=\"faultInjection.enabled\"]').checked", false).await;
    browser.quit().await;
}

#[tokio::test]
async fn controls_work_by_keyboard_and_tell_what_is_wrong() {
    let (mut page, browser) = opened().await;
    browser.eval(&select("#replicas")).await;
    browser.press(&format!("5000{ENTER}")).await;
    let violation = "spec.replicas: 5000 is out of range; allowed is 0 to 1000";
    assert_eq!(answer(&mut page, Err(vec![violation.to_owned()])).await, json!({"replicas": 5000}));
    browser.wait(&text("#replicas-violation"), "5000 is out of range; allowed is 0 to 1000").await;
    assert_eq!(browser.eval("document.querySelector('#replicas').getAttribute('aria-invalid')").await, "true");
    assert!(browser.eval(&text("#announcement[aria-live]")).await.as_str().unwrap().contains(violation));

    // From the field over the stepper's button to the limiter's switch.
    browser.press(&format!("{TAB}{TAB}{SPACE}")).await;
    assert_eq!(answer(&mut page, Ok(8)).await, json!({"rateLimiter": {"enabled": true}}));
    browser.wait("document.querySelector('#replicas-violation').hidden", true).await;

    browser.eval(&select("[data-path=\"faultInjection.delay.percentage\"]")).await;
    browser.press(&format!("20{ENTER}")).await;
    let delay = json!({"faultInjection": {"enabled": true, "delay": {"percentage": 20, "fixedDelay": "100ms"}}});
    assert_eq!(answer(&mut page, Ok(9)).await, delay);
    browser.quit().await;
}
