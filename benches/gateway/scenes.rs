//! The scenes: throughput, latency, memory, idleness and start-up of the real daemon.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::probe::{self, Spread};
use crate::rig::{Daemon, Place, Simulator};
use crate::{Figure, Ground, Wanted, bare};

/// Clients that submit at once; one client that waits for each answer cannot exceed its own commit rate.
const CLIENTS: usize = 8;

/// The end is looked for this often: looking costs the daemon something, and the error is below two hundredths.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// The figures on this ground; `only` those of one scene.
pub(crate) fn all(ground: &Ground, quick: bool, only: Option<&str>) -> Vec<Figure> {
    let scale = if quick { 4 } else { 1 };
    let wanted = |scene: &str| only.is_none_or(|only| only == scene);
    let mut figures = Vec::new();
    if wanted("throughput") {
        figures.extend(zero_milliseconds(ground, scale));
    }
    if wanted("latency") {
        figures.extend(fifty_milliseconds(ground, 400 / scale));
        figures.extend(first_byte(ground, 400 / scale));
    }
    if wanted("memory") {
        figures.extend(memory(ground, 100_000 / scale));
    }
    if wanted("idle") {
        figures.push(idle(ground, Duration::from_secs(60 / scale as u64)));
    }
    if wanted("modems") {
        figures.extend(modems(ground, 12_800 / scale));
    }
    if wanted("start") {
        figures.extend(start_up(ground, 20 / scale));
    }
    figures
}

/// What the daemon's own part costs: the network takes no time at all.
fn zero_milliseconds(ground: &Ground, scale: usize) -> Vec<Figure> {
    let mut figures = Vec::new();
    let syncs = format!(
        "sync back to back {}, spaced {}",
        probe::sync(&ground.dir, 200, Duration::ZERO),
        probe::sync(&ground.dir, 60, Duration::from_millis(15))
    );
    for (name, modems, by_batch, line) in [
        ("0 ms, one modem, 8 clients", 1, false, 1_500.0),
        ("0 ms, one modem, batch", 1, true, 1_500.0),
        ("0 ms, two modems, 8 clients", 2, false, 2_500.0),
        ("0 ms, two modems, batch", 2, true, 2_500.0),
    ] {
        let (rate, beside) = throughput(ground, modems, "0", 6_000 * modems / scale, by_batch);
        figures.push(Figure {
            name,
            value: rate,
            unit: "messages/s",
            wanted: ground.judged.then_some(Wanted::AtLeast(line)),
            beside: format!("{beside}; {syncs}"),
        });
    }
    figures
}

/// A daemon and its simulated modems on this ground.
struct House {
    simulator: Simulator,
    daemon: Daemon,
    _place: Place,
}

const CONFIG: &str = "[log]\nlevel = \"warn\"\n";

fn house(ground: &Ground, modems: usize, options: &[&str]) -> House {
    let place = Place::below(&ground.dir);
    let config = place.configure(CONFIG);
    let simulator = Simulator::start(&links(&place, modems), options);
    let daemon = start(ground, &place, &config);
    let until = Instant::now() + Duration::from_secs(20);
    while metric(&daemon, "smsotp_channels_ready") < modems as f64 {
        assert!(Instant::now() < until, "the modems do not get ready: {}", crate::rig::read_log(&place));
        std::thread::sleep(Duration::from_millis(5));
    }
    House { simulator, daemon, _place: place }
}

fn start(ground: &Ground, place: &Place, config: &std::path::Path) -> Daemon {
    let pause = ground.commit_pause_us.to_string();
    Daemon::start_with(place, config, &[("SMSOTPD_BENCH_COMMIT_PAUSE_US", &pause)])
}

fn links(place: &Place, modems: usize) -> Vec<PathBuf> {
    (0..modems).map(|n| place.ports().join(format!("modem{n}"))).collect()
}

/// The sum of a metric over its labels; `name` may carry a label to select by.
fn metric(daemon: &Daemon, name: &str) -> f64 {
    let text = daemon.client().get("/metrics").expect("metrics").body;
    text.lines()
        .filter(|line| !line.starts_with('#') && line.starts_with(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn submitted(daemon: &Daemon) -> f64 {
    metric(daemon, "smsotp_submitted_total")
}

fn message(n: usize) -> Value {
    json!({"to": format!("+49170{n:07}"), "text": "bench", "lane": "bulk", "report": false})
}

fn post_by_clients(daemon: &Daemon, count: usize) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut connection = daemon.client();
                for n in (client..count).step_by(CLIENTS) {
                    let answer = connection.json("/v1/messages", &message(n).to_string()).expect("an answer");
                    assert_eq!(answer.status, 202, "{}", answer.body);
                }
            });
        }
    });
}

fn post_by_batch(daemon: &Daemon, count: usize) {
    let mut connection = daemon.client();
    for start in (0..count).step_by(1_000) {
        let batch: Vec<Value> = (start..count.min(start + 1_000)).map(message).collect();
        let answer = connection.json("/v1/messages", &json!(batch).to_string()).expect("an answer");
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

fn throughput(ground: &Ground, modems: usize, latency: &str, count: usize, by_batch: bool) -> (f64, String) {
    let house = house(ground, modems, &["--latency", latency]);
    let daemon = &house.daemon;
    let commits = metric(daemon, "smsotp_store_commits_total");
    let start = Instant::now();
    let post = if by_batch { post_by_batch } else { post_by_clients };
    post(daemon, count);
    let accepted = start.elapsed();
    while submitted(daemon) < count as f64 {
        assert!(start.elapsed() < Duration::from_secs(300), "only {} submitted", submitted(daemon));
        std::thread::sleep(LOOK_EVERY);
    }
    let all = start.elapsed().as_secs_f64();
    let commits = metric(daemon, "smsotp_store_commits_total") - commits;
    let beside = format!(
        "accepted {:.0}/s, {:.0} commits/s, {:.2} messages a commit",
        count as f64 / accepted.as_secs_f64(),
        commits / all,
        count as f64 / commits
    );
    (count as f64 / all, beside)
}

/// At 50 ms of network time the line allows 20 a second; a bare sender shows what this simulator allows.
fn fifty_milliseconds(ground: &Ground, count: usize) -> Vec<Figure> {
    let place = Place::below(&ground.dir);
    std::fs::create_dir_all(place.ports()).expect("the directory of links");
    let link = place.ports().join("bare");
    let _simulator = Simulator::start(std::slice::from_ref(&link), &["--latency", "50ms"]);
    let bare = count as f64 / bare::send(&link, count).as_secs_f64();
    let (ours, beside) = throughput(ground, 1, "50ms", count, true);
    vec![
        Figure {
            name: "50 ms, one modem: share of the ideal 20/s",
            value: ours / 20.0 * 100.0,
            unit: "%",
            wanted: ground.judged.then_some(Wanted::AtLeast(97.0)),
            beside: format!("{ours:.2}/s; {beside}"),
        },
        Figure {
            name: "50 ms, one modem: share of a bare sender",
            value: ours / bare * 100.0,
            unit: "%",
            wanted: ground.judged.then_some(Wanted::AtLeast(98.5)),
            beside: format!("bare sender {bare:.2}/s"),
        },
    ]
}

/// Modems of the scene with many.
const MANY: usize = 64;
/// What they allow together at 50 ms, messages a second.
const MANY_IDEAL: f64 = 20.0 * MANY as f64;

/// Many modems on one daemon, with and without status reports. The simulator shares the cores, so what it takes of them and
/// what bare senders reach on all lines at once stand beside.
fn modems(ground: &Ground, count: usize) -> Vec<Figure> {
    let bare = bare_on_all(ground, count / MANY);
    let mut figures = Vec::new();
    for (reports, names) in [
        (
            false,
            [
                "64 modems, 50 ms: share of the ideal",
                "64 modems: commits a message",
                "64 modems: memory (PSS)",
            ],
        ),
        (
            true,
            [
                "64 modems, 50 ms, with reports: share of the ideal",
                "64 modems with reports: commits a message",
                "64 modems with reports: memory (PSS)",
            ],
        ),
    ] {
        let run = many(ground, count, reports);
        let beside = [
            format!("{:.0}/s; bare senders without store {bare:.0}/s", run.rate),
            format!("daemon {:.0} % of a core, simulator {:.0} %", run.daemon_cpu, run.simulator_cpu),
            format!("peak resident {:.1} MiB", run.peak),
        ];
        let values = [run.rate / MANY_IDEAL * 100.0, run.commits, run.pss];
        let lines = [Wanted::AtLeast(95.0), Wanted::Below(1.0), Wanted::Below(40.0)];
        for (((name, value), (unit, line)), beside) in
            names.into_iter().zip(values).zip(["%", "", "MiB"].into_iter().zip(lines)).zip(beside)
        {
            figures.push(Figure { name, value, unit, wanted: ground.judged.then_some(line), beside });
        }
    }
    figures
}

/// What one run with many modems came to.
struct Many {
    /// Messages a second.
    rate: f64,
    /// Commits a message, those that take messages in and reports included.
    commits: f64,
    pss: f64,
    peak: f64,
    /// Share of one core while messages left, per cent.
    daemon_cpu: f64,
    simulator_cpu: f64,
}

/// All messages are in the queue before the first modem is there: what is measured is sending.
fn many(ground: &Ground, count: usize, reports: bool) -> Many {
    let place = Place::below(&ground.dir);
    let config = place.configure(CONFIG);
    let daemon = start(ground, &place, &config);
    let mut connection = daemon.client();
    for start in (0..count).step_by(1_000) {
        let asked = (start..count.min(start + 1_000)).map(|n| {
            let mut asked = message(n);
            asked["report"] = json!(reports);
            asked
        });
        let body = json!(asked.collect::<Vec<_>>()).to_string();
        assert_eq!(connection.json("/v1/messages", &body).expect("an answer").status, 202);
    }
    let commits = metric(&daemon, "smsotp_store_commits_total");
    let simulator = Simulator::start(&links(&place, MANY), &["--latency", "50ms"]);
    // The modems get ready one after the other: the clock runs from the first tenth to the last.
    let reached = |part: f64| {
        let until = Instant::now() + Duration::from_secs(300);
        loop {
            let done = submitted(&daemon);
            if done >= count as f64 * part {
                return (done, Instant::now());
            }
            assert!(Instant::now() < until, "only {done} submitted: {}", crate::rig::read_log(&place));
            std::thread::sleep(LOOK_EVERY);
        }
    };
    let (first, start) = reached(0.1);
    let used = || [daemon.pid(), simulator.pid()].map(|pid| probe::cpu(pid).as_secs_f64());
    let before = used();
    let (last, end) = reached(0.9);
    let time = (end - start).as_secs_f64();
    let after = used();
    let share = |of: usize| (after[of] - before[of]) / time * 100.0;
    let (daemon_cpu, simulator_cpu) = (share(0), share(1));
    let (pss, peak) = probe::memory(daemon.pid());
    reached(1.0);
    let wanted = if reports { count as f64 } else { 0.0 };
    let until = Instant::now() + Duration::from_secs(60);
    while metric(&daemon, "smsotp_reports_total") < wanted {
        assert!(Instant::now() < until, "reports are missing");
        std::thread::sleep(LOOK_EVERY);
    }
    let commits = (metric(&daemon, "smsotp_store_commits_total") - commits) / count as f64;
    Many { rate: (last - first) / time, commits, pss, peak, daemon_cpu, simulator_cpu }
}

/// Bare senders on as many lines at once, messages a second.
fn bare_on_all(ground: &Ground, count: usize) -> f64 {
    let place = Place::below(&ground.dir);
    std::fs::create_dir_all(place.ports()).expect("the directory of links");
    let links = links(&place, MANY);
    let _simulator = Simulator::start(&links, &["--latency", "50ms"]);
    std::thread::scope(|scope| {
        let senders: Vec<_> = links.iter().map(|link| scope.spawn(|| bare::send(link, count))).collect();
        let times = senders.into_iter().map(|sender| sender.join().expect("it sends"));
        times.map(|time| count as f64 / time.as_secs_f64()).sum()
    })
}

/// From the first byte of the POST on an idle daemon to the first byte of `AT+CMGS` at the modem.
fn first_byte(ground: &Ground, count: usize) -> Vec<Figure> {
    let house = house(ground, 1, &["--latency", "0", "--events", "cmgs"]);
    let mut connection = house.daemon.client();
    let samples = (0..count)
        .map(|n| {
            std::thread::sleep(Duration::from_millis(15));
            let (from, body) = (house.simulator.now(), message(n).to_string());
            let start = probe::monotonic_us();
            let answer = connection.json("/v1/messages", &body).expect("an answer");
            assert_eq!(answer.status, 202, "{}", answer.body);
            let event = house.simulator.wait(from, "AT+CMGS", |event| event["event"] == "cmgs");
            Duration::from_micros(event["us"].as_u64().expect("a time").saturating_sub(start))
        })
        .collect();
    let spread = Spread::of(samples);
    let sync = probe::sync(&ground.dir, 100, Duration::from_millis(15));
    let commit = sync.p50 + Duration::from_micros(ground.commit_pause_us);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let figure = |name, value: Duration, line: f64| Figure {
        name,
        value: ms(value),
        unit: "ms",
        wanted: ground.judged.then_some(Wanted::Below(line + ms(commit))),
        beside: format!("one commit {:.2} ms (spaced sync {sync})", ms(commit)),
    };
    vec![
        figure("POST to AT+CMGS, idle, p50", spread.p50, 1.0),
        figure("POST to AT+CMGS, idle, p99", spread.p99, 5.0),
    ]
}

fn memory(ground: &Ground, queued: usize) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut push = |name, value, line: f64, peak: f64| {
        figures.push(Figure {
            name,
            value,
            unit: "MiB",
            wanted: ground.judged.then_some(Wanted::Below(line)),
            beside: format!("peak resident {peak:.1} MiB"),
        });
    };
    let rest = house(ground, 2, &[]);
    let (pss, peak) = probe::memory(rest.daemon.pid());
    push("memory (PSS), two modems at rest", pss, 15.0, peak);
    let place = Place::below(&ground.dir);
    let config = place.configure("[log]\nlevel = \"warn\"\n");
    let daemon = start(ground, &place, &config);
    post_by_batch(&daemon, queued);
    let (pss, peak) = probe::memory(daemon.pid());
    push("memory (PSS), 100,000 messages queued", pss, 25.0, peak);
    push("peak resident, 100,000 messages queued", peak, 25.0, peak);
    figures
}

fn idle(ground: &Ground, time: Duration) -> Figure {
    let house = house(ground, 2, &["--events", "at"]);
    std::thread::sleep(Duration::from_secs(2));
    let (before, lines) = (probe::wakeups(house.daemon.pid()), house.simulator.now());
    std::thread::sleep(time);
    let woken = probe::wakeups(house.daemon.pid()) - before;
    Figure {
        name: "idle: wake-ups in two seconds, all threads",
        value: woken as f64 / time.as_secs_f64() * 2.0,
        unit: "",
        wanted: ground.judged.then_some(Wanted::Below(1.0)),
        beside: format!("{woken} in {time:?}, {} AT commands", house.simulator.now() - lines),
    }
}

/// From exec to a listening socket, and to the first `AT+CMGS` of a message that already waited in the queue.
fn start_up(ground: &Ground, count: usize) -> Vec<Figure> {
    let place = Place::below(&ground.dir);
    let config = place.configure("[log]\nlevel = \"warn\"\n");
    let mut listening = Vec::new();
    let mut first = Vec::new();
    for n in 0..count {
        let daemon = start(ground, &place, &config);
        daemon.submit(&[message(n)]);
        daemon.stop();
        let link = place.ports().join(format!("modem{n}"));
        let simulator = Simulator::start(&[link], &["--latency", "0", "--events", "cmgs"]);
        let begun = probe::monotonic_us();
        let daemon = start(ground, &place, &config);
        listening.push(Duration::from_micros(probe::monotonic_us() - begun));
        let event = simulator.wait(0, "AT+CMGS", |event| event["event"] == "cmgs");
        first.push(Duration::from_micros(event["us"].as_u64().expect("a time").saturating_sub(begun)));
        daemon.stop();
    }
    let figure = |name, spread: Spread, line: f64| Figure {
        name,
        value: spread.p50.as_secs_f64() * 1e3,
        unit: "ms",
        wanted: ground.judged.then_some(Wanted::Below(line)),
        beside: format!("p50/p99 {spread} of {count}"),
    };
    vec![
        figure("exec to listening", Spread::of(listening), 50.0),
        figure("exec to the first AT+CMGS", Spread::of(first), 150.0),
    ]
}
