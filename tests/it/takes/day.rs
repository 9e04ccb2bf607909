//! Days of traffic as the history has them, made by a small service in memory: a plan says what its clients do, a seed
//! what is made up on the way. The same plan with another seed is a similar day.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use retake::model::{Body, Exchange, ExchangeId, Fields, HttpVersion, Outcome, RequestRecord, ResponseRecord, Timings};
use retake::promote::{Decoded, Recorded};
use uuid::Uuid;

use crate::harness::Random;

/// What a client does; numbers choose among what there is.
#[derive(Debug, Clone)]
pub enum Step {
    /// Makes an order of an item, with an idempotency key.
    Order { item: usize, quantity: u64 },
    /// Looks at the n-th order.
    Look(usize),
    /// Lists all orders, or those of a state.
    List(Option<bool>),
    /// Pays the n-th order.
    Pay(usize),
    /// Removes the n-th order.
    Remove(usize),
    /// Searches, with a cache buster.
    Search { word: usize, page: u64 },
    /// Looks at the same thing as anybody.
    Health,
    /// Sends a form with a nonce.
    Vote { item: usize },
}

const ITEMS: [&str; 5] = ["tea", "coffee", "milk", "sugar", "cake"];

/// Plans of up to twenty steps.
pub fn plans() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..ITEMS.len(), 1..9_u64).prop_map(|(item, quantity)| Step::Order { item, quantity }),
        3 => (0..6_usize).prop_map(Step::Look),
        2 => proptest::option::of(any::<bool>()).prop_map(Step::List),
        1 => (0..6_usize).prop_map(Step::Pay),
        1 => (0..6_usize).prop_map(Step::Remove),
        2 => (0..ITEMS.len(), 1..4_u64).prop_map(|(word, page)| Step::Search { word, page }),
        1 => Just(Step::Health),
        1 => (0..ITEMS.len()).prop_map(|item| Step::Vote { item }),
    ];
    proptest::collection::vec(step, 1..20)
}

struct Order {
    id: String,
    item: &'static str,
    quantity: u64,
    paid: bool,
    made: String,
}

impl Order {
    fn json(&self) -> String {
        let Order { id, item, quantity, paid, made } = self;
        format!(r#"{{"id":"{id}","item":"{item}","quantity":{quantity},"paid":{paid},"created_at":"{made}"}}"#)
    }
}

/// A day under way.
struct Day {
    random: Random,
    number: u64,
    start: Timestamp,
    orders: Vec<Order>,
    /// Ids in the order in which they were made, also of orders that are gone.
    ids: Vec<String>,
    exchanges: Vec<Recorded>,
}

/// The exchanges of a day, numbered from `first`.
pub fn day(plan: &[Step], seed: u64, first: u64, start: &str) -> Vec<Recorded> {
    let mut day = Day {
        random: Random::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491),
        number: first,
        start: start.parse().unwrap(),
        orders: Vec::new(),
        ids: Vec::new(),
        exchanges: Vec::new(),
    };
    plan.iter().for_each(|step| day.play(step));
    day.exchanges
}

impl Day {
    fn now(&self) -> Timestamp {
        self.start + SignedDuration::from_secs(i64::try_from(self.exchanges.len()).unwrap() * 3)
    }

    fn uuid(&mut self) -> String {
        let bits = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }

    fn play(&mut self, step: &Step) {
        let moment = self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        match *step {
            Step::Order { item, quantity } => {
                let (id, key, item) = (self.uuid(), self.uuid(), ITEMS[item]);
                let asked = format!(r#"{{"item":"{item}","quantity":{quantity},"idempotency_key":"{key}"}}"#);
                let order = Order { id: id.clone(), item, quantity, paid: false, made: moment };
                let told = order.json();
                self.orders.push(order);
                self.ids.push(id);
                self.call("POST", "/orders", Some(("application/json", asked)), 201, &told);
            }
            Step::Look(which) => self.about(which, "GET", "", |_, order| Some(order.json())),
            Step::Pay(which) => self.about(which, "POST", "/payment", |_, order| {
                order.paid = true;
                Some(order.json())
            }),
            Step::Remove(which) => self.about(which, "DELETE", "", |gone, _| {
                *gone = true;
                None
            }),
            Step::List(paid) => {
                let fits = |order: &&Order| paid.is_none_or(|paid| order.paid == paid);
                let orders: Vec<_> = self.orders.iter().filter(fits).map(Order::json).collect();
                let told = format!(r#"{{"orders":[{}],"at":"{moment}"}}"#, orders.join(","));
                let target = paid.map_or("/orders".to_owned(), |paid| format!("/orders?paid={paid}"));
                self.call("GET", &target, None, 200, &told);
            }
            Step::Search { word, page } => {
                let (buster, word) = (self.now().as_millisecond(), ITEMS[word]);
                let told = format!(r#"{{"word":"{word}","page":{page},"found":["{word} one","{word} two"]}}"#);
                self.call("GET", &format!("/search?q={word}&page={page}&_={buster}"), None, 200, &told);
            }
            Step::Health => self.call("GET", "/health", None, 200, r#"{"ok":true}"#),
            Step::Vote { item } => {
                let mut nonce = String::new();
                let _ = write!(nonce, "{:016x}{:016x}", self.random.next(), self.random.next());
                let asked = format!("for={}&nonce={nonce}", ITEMS[item]);
                let told = format!(r#"{{"voted":"{}"}}"#, ITEMS[item]);
                self.call("POST", "/votes", Some(("application/x-www-form-urlencoded", asked)), 200, &told);
            }
        }
    }

    /// A call about one order; 404 where it is gone or never was.
    fn about(&mut self, which: usize, method: &str, below: &str, change: fn(&mut bool, &mut Order) -> Option<String>) {
        let nobody = "00000000-0000-4000-8000-000000000000".to_owned();
        let id = self.ids.get(which).cloned().unwrap_or(nobody);
        let target = format!("/orders/{id}{below}");
        let Some(at) = self.orders.iter().position(|order| order.id == id) else {
            return self.call(method, &target, None, 404, r#"{"error":"no such order"}"#);
        };
        let mut gone = false;
        match change(&mut gone, &mut self.orders[at]) {
            Some(told) => self.call(method, &target, None, 200, &told),
            None => self.call(method, &target, None, 204, ""),
        }
        if gone {
            self.orders.remove(at);
        }
    }

    fn call(&mut self, method: &str, target: &str, sent: Option<(&str, String)>, status: u16, told: &str) {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (mut asked, mut answered) = (Fields::new(), Fields::new());
        if let Some((media_type, _)) = &sent {
            asked.push("Content-Type", *media_type);
        }
        let trace = self.uuid();
        asked.push("X-Request-Id", trace);
        if !told.is_empty() {
            answered.push("Content-Type", "application/json");
        }
        let response = ResponseRecord {
            version: HttpVersion::Http11,
            status,
            reason: None,
            fields: answered,
            trailers: Fields::new(),
            informational: Vec::new(),
            body: Body::empty(),
        };
        let number = self.number + self.exchanges.len() as u64;
        let exchange = Exchange {
            id: ExchangeId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(number))),
            number,
            session: "day".into(),
            tags: Vec::new(),
            note: None,
            started_at: self.now(),
            client: None,
            request: RequestRecord {
                method: method.into(),
                origin: "https://api.shop.test".parse().unwrap(),
                path: path.into(),
                query: query.map(str::to_owned),
                version: HttpVersion::Http11,
                fields: asked,
                trailers: Fields::new(),
                body: Body::empty(),
            },
            outcome: Outcome::Complete(response),
            timings: Timings::default(),
            tls: None,
            partial: false,
            vendor: Default::default(),
        };
        let request = Decoded::plain(sent.map(|(_, body)| body).unwrap_or_default());
        self.exchanges.push(Recorded { exchange, request, response: Decoded::plain(told.to_owned()) });
    }
}
