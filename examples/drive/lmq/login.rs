//! Who may connect, and what for.

use super::options::Profile;
use analyst_proto::credentials::{PasswordKey, TokenPassword, UserName};
use analyst_proto::wire::{ClientId, Secret};
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode, Login};

/// Checks logins.
#[derive(Debug)]
pub(super) struct Guard(Option<PasswordKey>);

/// Who connects, and what it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) client: ClientId,
    /// It may be sent messages.
    pub(super) reads: bool,
    /// It may publish.
    pub(super) writes: bool,
    /// What lets it in ends some time.
    pub(super) has_token: bool,
}

impl Guard {
    pub(super) fn new(secret: Option<&Secret>) -> Self {
        Self(secret.map(PasswordKey::new))
    }

    /// Lets somebody in, or says with which code and words it does not.
    pub(super) fn admit(
        &self,
        profile: Profile,
        connect: &Connect,
    ) -> Result<Guest, (ConnectReturnCode, &'static str)> {
        use ConnectReturnCode::{BadClientId, BadUserNamePassword, NotAuthorized};
        let client = ClientId::new(&connect.client_id).map_err(|_| {
            (
                BadClientId,
                "client id is empty, too long, or has + # / $ in it",
            )
        })?;
        if profile == Profile::Lmq && !client.is_of_lmq() {
            return Err((BadClientId, "client id is not GID_group@@@device"));
        }
        if connect.last_will.is_some() {
            return Err((NotAuthorized, "a last will is not supported"));
        }
        let guest = |reads, writes, has_token| Guest {
            client: client.clone(),
            reads,
            writes,
            has_token,
        };
        let login = connect.login.clone().unwrap_or(Login::new("", ""));
        let user_name = UserName::parse(&login.username);
        if let UserName::Token { .. } = user_name {
            // Aliyun hands tokens out; here every one is good.
            return match TokenPassword::parse(&login.password) {
                Some(TokenPassword::Read(_)) => Ok(guest(true, false, true)),
                Some(TokenPassword::Write(_)) => Ok(guest(false, true, true)),
                Some(_) => Ok(guest(true, true, true)),
                None => Err((
                    BadUserNamePassword,
                    "password is not R|token, W|token or RW|token",
                )),
            };
        }
        let is_right = match (&self.0, &user_name) {
            (None, _) => true,
            (Some(key), UserName::Legacy(_)) => {
                // The bare key of old signs the group; users of other brokers their whole name.
                key.verify_legacy(&client, &login.password)
                    || (profile == Profile::Plain && key.verify(&client, &login.password))
            }
            (Some(key), _) => key.verify(&client, &login.password),
        };
        is_right.then(|| guest(true, true, false)).ok_or((
            BadUserNamePassword,
            "password is not the signature of the client id",
        ))
    }
}
