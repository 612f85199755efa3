//! The servers of the ingest bench that are written in Rust: this program, started again.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use drive::face::receiver::{ReceiverOptions, spawn_receiver};
use drive::records;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// Serves in the way called `kind` on one thread, until it is killed. What it keeps is kept in
/// `directory`.
pub(crate) fn serve(kind: &str, directory: &Path) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if let "ours" | "ours-sqlite" = kind {
            ours(kind == "ours", directory).await;
            return ExitCode::SUCCESS;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        match kind {
            "hyper" => raw(listener).await,
            "axum-body" => run(listener, Router::new().route("/Record", post(body_only))).await,
            "axum-value" => run(listener, Router::new().route("/Record", post(value))).await,
            "axum-sqlite" => {
                let database = Database::create(directory);
                let router = Router::new().route("/Record", post(insert));
                run(listener, router.with_state(database)).await;
            }
            _ => return ExitCode::FAILURE,
        }
        ExitCode::SUCCESS
    })
}

/// The receiver of the examples; its events are read and thrown away.
async fn ours(forgets: bool, directory: &Path) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let records = records::Options::new(directory.join("ours.db"));
    let mut options = ReceiverOptions::new(listen, records);
    options.forgets = forgets;
    let mut receiver = spawn_receiver(options).await.unwrap();
    println!("{}", receiver.address().port());
    while receiver.next().await.is_some() {}
}

/// What every other server answers.
const ANSWER: &[u8] = br#"{"code":200,"msg":"success","message":"success","data":{}}"#;

async fn run(listener: TcpListener, router: Router) {
    axum::serve(NoDelay(listener), router).await.unwrap();
}

async fn body_only(_: Bytes) -> &'static [u8] {
    ANSWER
}

async fn value(Json(push): Json<Value>) -> Json<Value> {
    let known = push["data"]["user"]["name"].is_string();
    Json(json!({"code": if known { 200 } else { 500 }, "msg": "success", "data": {}}))
}

/// A transaction for each record, off the thread that serves.
async fn insert(State(database): State<Database>, Json(push): Json<Value>) -> Json<Value> {
    let kept = tokio::task::spawn_blocking(move || database.keep(&push)).await;
    let code = if kept.unwrap() { 200 } else { 500 };
    Json(json!({"code": code, "msg": "success", "data": {}}))
}

#[derive(Clone)]
struct Database(Arc<Mutex<Connection>>);

impl Database {
    fn create(directory: &Path) -> Self {
        let database = Connection::open(directory.join("axum.db")).unwrap();
        let mode = database.pragma_update(None, "journal_mode", "WAL");
        mode.and_then(|()| database.pragma_update(None, "synchronous", "FULL"))
            .unwrap();
        let create = "CREATE TABLE records(id INTEGER PRIMARY KEY, sn TEXT, user TEXT, raw TEXT)";
        database.execute(create, ()).unwrap();
        Self(Arc::new(Mutex::new(database)))
    }

    fn keep(&self, push: &Value) -> bool {
        let data = &push["data"];
        let row = (data["deviceSN"].as_str(), data["user"]["name"].as_str());
        let insert = "INSERT INTO records(sn, user, raw) VALUES(?, ?, ?)";
        let database = self.0.lock().unwrap();
        let mut insert = database.prepare_cached(insert).unwrap();
        insert.execute((row.0, row.1, push.to_string())).is_ok()
    }
}

/// hyper without a framework: reads the body, answers.
async fn raw(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| async {
                let _body = request.into_body().collect().await.map(drop);
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(ANSWER))))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer);
            // How a peer leaves is its own affair.
            let _ = connection.await;
        });
    }
}

/// Answers are sent at once, as all the others do.
struct NoDelay(TcpListener);

impl axum::serve::Listener for NoDelay {
    type Io = tokio::net::TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = self.0.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        (stream, address)
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}
