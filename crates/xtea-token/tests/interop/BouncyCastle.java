import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.bouncycastle.crypto.BlockCipher;
import org.bouncycastle.crypto.BufferedBlockCipher;
import org.bouncycastle.crypto.engines.XTEAEngine;
import org.bouncycastle.crypto.paddings.BlockCipherPadding;
import org.bouncycastle.crypto.paddings.PKCS7Padding;
import org.bouncycastle.crypto.paddings.PaddedBufferedBlockCipher;
import org.bouncycastle.crypto.paddings.ZeroBytePadding;
import org.bouncycastle.crypto.params.KeyParameter;

/**
 * Encrypts with Bouncy Castle. Reads lines of "what key plaintext", the last two in hexadecimal,
 * where what is "none", "pkcs7" or "zero"; answers each with the ciphertext in hexadecimal.
 */
public class BouncyCastle {
    public static void main(String[] args) throws Exception {
        BufferedReader in =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder out = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split(" ", -1);
            byte[] key = HexFormat.of().parseHex(fields[1]);
            byte[] plaintext = HexFormat.of().parseHex(fields[2]);
            out.append(HexFormat.of().formatHex(encrypt(fields[0], key, plaintext))).append('\n');
        }
        System.out.print(out);
    }

    static byte[] encrypt(String what, byte[] key, byte[] plaintext) throws Exception {
        BufferedBlockCipher cipher = cipher(what);
        cipher.init(true, new KeyParameter(key));
        byte[] buffer = new byte[cipher.getOutputSize(plaintext.length)];
        int length = cipher.processBytes(plaintext, 0, plaintext.length, buffer, 0);
        length += cipher.doFinal(buffer, length);
        return java.util.Arrays.copyOf(buffer, length);
    }

    static BufferedBlockCipher cipher(String what) {
        BlockCipher engine = new XTEAEngine();
        return switch (what) {
            case "none" -> new BufferedBlockCipher(engine);
            case "pkcs7" -> padded(engine, new PKCS7Padding());
            case "zero" -> padded(engine, new ZeroBytePadding());
            default -> throw new IllegalArgumentException("no padding " + what);
        };
    }

    static BufferedBlockCipher padded(BlockCipher engine, BlockCipherPadding padding) {
        return new PaddedBufferedBlockCipher(engine, padding);
    }
}
