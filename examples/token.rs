//! Issues, verifies and identifies XTEA tokens.
//!
//! ```text
//! cargo run --release --example token -- issue --key 000102030405060708090a0b0c0d0e0f
//! cargo run --release --example token -- identify TOKEN --key 000102030405060708090a0b0c0d0e0f
//! ```

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use drive::cli::{KeyArgs, age, now, utc};
use xtea_token::{
    Claim, Claims, Hint, Key, TokenFormat, UnixMillis, UnixSeconds, Verifier, WordOrder, Xtea,
    identify, shape,
};

/// Issue, verify and identify XTEA tokens
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Print a token for a time
    Issue {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        format: Format,
    },
    /// Tell whether a token is accepted; exit status 0 if it is, 1 if not
    Verify {
        token: String,
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        format: Format,
        /// How old, or how far ahead, the time may be
        #[arg(long, value_name = "SECONDS", default_value_t = 300)]
        window: u64,
    },
    /// List every format under which a token opens
    Identify { token: String },
    /// Encrypt one block of 16 hexadecimal digits
    Block {
        block: String,
        #[arg(long, value_enum, default_value_t = Order::Big)]
        order: Order,
        #[arg(long)]
        decrypt: bool,
    },
}

#[derive(clap::Args)]
struct At {
    /// The time in milliseconds since 1970 [default: now]
    #[arg(long, value_name = "UNIX_MS")]
    at: Option<u64>,
}

#[derive(clap::Args)]
struct Format {
    /// The format by name
    #[arg(long, value_name = "NAME", default_value = "legacy", value_parser = preset_names())]
    preset: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Order {
    Big,
    Little,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = args.key.read().and_then(|key| match args.command {
        Command::Issue { at, format } => issue(&key, at.time(), format.preset()),
        Command::Verify {
            token,
            at,
            format,
            window,
        } => verify(
            key,
            &token,
            at.time(),
            format.preset(),
            Duration::from_secs(window),
        ),
        Command::Identify { token } => Ok(list_formats(&token, key, &args.key.repeated())),
        Command::Block {
            block,
            order,
            decrypt,
        } => crypt_block(&key, &block, order, decrypt),
    });
    done.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::from(2)
    })
}

fn issue(key: &Key, at: UnixMillis, format: TokenFormat) -> Result<ExitCode, String> {
    let claim = match format.claims {
        Claims::UnixSeconds => Claim::AtSeconds(UnixSeconds(at.0 / 1000)),
        _ => Claim::At(at),
    };
    let token = format
        .issue(key, claim)
        .map_err(|error| error.to_string())?;
    println!("{token}");
    Ok(ExitCode::SUCCESS)
}

fn verify(
    key: Key,
    token: &str,
    now: UnixMillis,
    format: TokenFormat,
    window: Duration,
) -> Result<ExitCode, String> {
    let verifier = Verifier::new(format, key).map_err(|refused| refused.to_string())?;
    match verifier.window(window, window).verify(now, token) {
        Ok(_) => println!("token accepted"),
        Err(rejected) => {
            println!("{rejected}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list_formats(token: &str, key: Key, key_args: &str) -> ExitCode {
    let keys = [key];
    let findings: Vec<_> = identify(token, &keys).collect();
    for finding in &findings {
        let format = finding.format;
        match finding.at {
            Some(at) => println!(
                "{format}  {} = {}  {}  canonical",
                at.0,
                utc(at),
                age(now(), at)
            ),
            None => println!("{format}  text, weak evidence  canonical"),
        }
    }
    let Some(best) = findings.first() else {
        println!("no format opens this token with this key");
        println!("{}", without_a_key(token));
        return ExitCode::FAILURE;
    };
    match TokenFormat::PRESETS
        .iter()
        .find(|(_, format)| *format == best.format)
    {
        Some((name, _)) => {
            let preset = match *name {
                "legacy" => String::new(),
                name => format!(" --preset {name}"),
            };
            let issue = format!("cargo run --release --example token -- issue{preset}{key_args}");
            println!("next: curl http://127.0.0.1:9900/info/$({issue})");
        }
        None => println!("next: no preset has this format; build it with TokenFormat's setters"),
    }
    ExitCode::SUCCESS
}

/// What the outside of the token tells.
fn without_a_key(token: &str) -> String {
    match shape(token).hint {
        Hint::Legacy(blocks) => {
            format!("it has the shape of {blocks} XTEA blocks: try another key")
        }
        Hint::H2Aligned16 => "Base64 of 16-byte units, as H2's class makes: try another key".into(),
        Hint::LooksLikeTeaVariant => {
            "4 bytes more than whole blocks: made by a look-alike named XTEA that computes a TEA \
             variant, which is not supported"
                .into()
        }
        Hint::V2 => "a v2 token: it is authenticated with a MAC key, not an XTEA key".into(),
        _ => "not a token; if it holds a percent sign, percent-decode it once first".into(),
    }
}

fn crypt_block(key: &Key, block: &str, order: Order, decrypt: bool) -> Result<ExitCode, String> {
    let is_block = block.len() == 16 && block.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = u64::from_str_radix(block, 16).ok().filter(|_| is_block);
    let bytes = digits
        .ok_or("a block is 16 hexadecimal digits")?
        .to_be_bytes();
    let cipher = Xtea::new(
        key,
        match order {
            Order::Big => WordOrder::Big,
            Order::Little => WordOrder::Little,
        },
    );
    let result = if decrypt {
        cipher.decrypt_block(bytes)
    } else {
        cipher.encrypt_block(bytes)
    };
    println!("{:016x}", u64::from_be_bytes(result));
    Ok(ExitCode::SUCCESS)
}

impl At {
    fn time(&self) -> UnixMillis {
        self.at.map_or_else(now, UnixMillis)
    }
}

impl Format {
    fn preset(&self) -> TokenFormat {
        TokenFormat::preset(&self.preset).unwrap_or(TokenFormat::LEGACY)
    }
}

fn preset_names() -> Vec<&'static str> {
    TokenFormat::PRESETS.iter().map(|(name, _)| *name).collect()
}
