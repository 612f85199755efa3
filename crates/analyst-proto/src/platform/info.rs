//! Tells analysers where the broker is.

use super::Platform;
use super::vocabulary::{Credentials, Event, Output};
use crate::credentials::PasswordKey;
use crate::link::ExchangeId;
use crate::sign::Signer;
use crate::wire::{ClientId, ConnectionInfo, InfoReply, Secret, SignedRequest, Text, UnixMillis};
use crate::{Refusal, RequestError};

impl Platform {
    /// Answers a request for connection information that came when it was `wall`.
    pub(super) fn asked_for_info(
        &mut self,
        exchange: ExchangeId,
        wall: UnixMillis,
        request: Result<SignedRequest, RequestError>,
    ) {
        let request = match request {
            Ok(request) => request,
            Err(error) => return self.refuse(exchange, None, Refusal::Parameter(error)),
        };
        let name = Text::from(request.name());
        let roster = &self.roster;
        let key_of = |name: &str| roster.key(name).map(|key| key as &dyn Signer);
        if let Err(refusal) = self.desk.verify(wall, &request, key_of) {
            return self.refuse(exchange, Some(name), refusal);
        }
        let Some(client) = self.roster.client(&name).cloned() else {
            return self.refuse(exchange, Some(name), Refusal::Unknown);
        };
        let info = self.info(&client);
        self.counters.informed = self.counters.informed.saturating_add(1);
        self.say(Event::Informed(client));
        let reply = InfoReply::Info(info);
        self.out.push_back(Output::InfoReply(exchange, reply));
    }

    fn refuse(&mut self, exchange: ExchangeId, name: Option<Text>, refusal: Refusal) {
        self.counters.refused = self.counters.refused.saturating_add(1);
        self.say(Event::Refused { name, refusal });
        let reply = self.desk.reply(refusal);
        self.out.push_back(Output::InfoReply(exchange, reply));
    }

    /// Where an analyser finds the broker, and as whom.
    fn info(&self, client: &ClientId) -> ConnectionInfo {
        let login = &self.config.login;
        let (user_name, password) = self.config.credentials.of(client);
        let mut info = ConnectionInfo::new(
            login.parent.clone(),
            client.clone(),
            login.client_id.clone(),
            self.config.public_host.clone(),
        )
        .with_login(user_name, password);
        info.port = self.config.public_port;
        info.is_tls = self.config.public_is_tls;
        info.keepalive = login.keepalive;
        info
    }
}

impl Credentials {
    /// User name and password of an analyser.
    fn of(&self, client: &ClientId) -> (Text, Secret) {
        match self {
            Self::Shared {
                user_name,
                password,
            } => (user_name.clone(), password.clone()),
            Self::Signed { user_name, secret } => {
                (user_name.clone(), PasswordKey::new(secret).password(client))
            }
        }
    }
}
